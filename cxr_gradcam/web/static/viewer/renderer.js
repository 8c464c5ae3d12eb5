// Draws the panels on the screen, and whole panels at the picture's own size for a download.

import { Pyramid } from "./pixels.js";
import { sample } from "./sampling.js";
import { blendTable, colorsOf, GREYS } from "./tables.js";

const BACKGROUND = 0xff000000;

export class Renderer {
  constructor(tables) {
    this.tables = tables; // the colour maps, 768 bytes each
    this.picture = this.map = null;
  }

  setPicture(picture) {
    this.picture = picture;
    this.map = null;
    this.pyramids = { picture: new Pyramid(picture), map: null };
  }

  setMap(map) {
    this.map = map;
    this.pyramids.map = map && new Pyramid(map);
  }

  // What a look-up needs, from the settings.
  prepare({ greys, colormap, opacityOf }) {
    const bytes = this.tables[colormap];
    this.greys = greys;
    this.colors = colorsOf(bytes);
    this.blended = blendTable(bytes, opacityOf);
  }

  // Samples what a panel of width x height shows; all panels show the same.
  look(view, width, height) {
    const places = width * height;
    this.values = new this.picture.values.constructor(places);
    this.places = sample(this.pyramids.picture, view, width, height, this.values);
    this.steps = this.map && new Uint8Array(places);
    if (this.map) sample(this.pyramids.map, view, width, height, this.steps);
    Object.assign(this, { width, height });
  }

  draw(canvas, panel) {
    if (canvas.width !== this.width) canvas.width = this.width;
    if (canvas.height !== this.height) canvas.height = this.height;
    const image = new ImageData(this.width, this.height);
    const pixels = new Uint32Array(image.data.buffer);
    this.paint(pixels, panel, this.values, this.steps);
    this.blankOutside(pixels);
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // Without a map, the heat map's panel stays black and the overlay shows the picture alone.
  paint(pixels, panel, values, steps) {
    const { greys, colors, blended } = this;
    if (panel === "heat-map") {
      if (!steps) pixels.fill(BACKGROUND);
      else for (let i = 0; i < pixels.length; i++) pixels[i] = colors[steps[i]];
    } else if (panel === "overlay" && steps) {
      for (let i = 0; i < pixels.length; i++) {
        pixels[i] = blended[(steps[i] << 8) | greys[values[i]]];
      }
    } else {
      for (let i = 0; i < pixels.length; i++) pixels[i] = GREYS[greys[values[i]]];
    }
  }

  blankOutside(pixels) {
    const { columns, rows } = this.places;
    const { width, height } = this;
    for (let y = 0; y < height; y++) {
      if (rows.first[y] < 0) pixels.fill(BACKGROUND, y * width, (y + 1) * width);
    }
    for (let x = 0; x < width; x++) {
      if (columns.first[x] >= 0) continue;
      for (let at = x; at < pixels.length; at += width) pixels[at] = BACKGROUND;
    }
  }

  // The whole panel at the picture's own size.
  full(panel) {
    const { width, height, values } = this.picture;
    const image = new ImageData(width, height);
    this.paint(new Uint32Array(image.data.buffer), panel, values, this.map?.values);
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas.convertToBlob();
  }
}
