// Draws one picture and its map: on the screen, and whole for a download.

import { drawContours } from "./contours.js";
import { Pyramid } from "./pixels.js";
import { sample } from "./sampling.js";
import { GREYS } from "./tables.js";

const BACKGROUND = 0xff000000;

export class Renderer {
  constructor() {
    this.picture = this.map = null;
  }

  setPicture(picture) {
    this.picture = picture;
    this.pyramids = { picture: picture && new Pyramid(picture), map: null };
    this.setMap(null);
  }

  // The picture of another renderer, which is held once.
  share({ picture, pyramids }) {
    this.picture = picture;
    this.pyramids = { picture: pyramids.picture, map: null };
    this.setMap(null);
  }

  setMap(map) {
    this.map = map;
    this.pyramids.map = map && new Pyramid(map);
    this.seen = null;
  }

  contains({ x, y }) {
    return x >= 0 && y >= 0 && x < this.picture.width && y < this.picture.height;
  }

  // The stored value of a pixel, and the map's step there (null without a map).
  at({ x, y }) {
    if (!this.contains({ x, y })) return { value: NaN, step: null };
    const place = Math.floor(y) * this.picture.width + Math.floor(x);
    return { value: this.picture.values[place], step: this.map?.values[place] ?? null };
  }

  // Samples what panels of a size show; nothing is done where that is what they show already.
  look(view, { width, height }) {
    const seen = [view.x, view.y, view.scale, view.smooth, width, height].join();
    if (seen === this.seen) return;
    const places = width * height;
    if (this.values?.length !== places) {
      this.values = new this.picture.values.constructor(places);
      this.steps = new Uint8Array(places);
    }
    if (this.values.constructor !== this.picture.values.constructor) {
      this.values = new this.picture.values.constructor(places);
    }
    this.places = sample(this.pyramids.picture, view, width, height, this.values);
    if (this.map) sample(this.pyramids.map, view, width, height, this.steps);
    Object.assign(this, { width, height, seen });
  }

  // paint: the tables (see heat.js and windowing.js), and lineWidth where contours are wanted.
  draw(canvas, panel, paint) {
    const { width, height } = this;
    if (canvas.width !== width || canvas.height !== height || !canvas.image) {
      Object.assign(canvas, { width, height });
      canvas.image = new ImageData(width, height);
    }
    const pixels = new Uint32Array(canvas.image.data.buffer);
    this.paint(pixels, panel, this.values, this.map && this.steps, this, paint);
    this.blankOutside(pixels);
    canvas.getContext("2d").putImageData(canvas.image, 0, 0);
  }

  // Without a map, the heat map's panel stays black and the overlay shows the picture alone.
  paint(pixels, panel, values, steps, size, { greys, colors, blended, lineWidth }) {
    if (panel === "heat-map") {
      if (!steps) pixels.fill(BACKGROUND);
      else for (let i = 0; i < pixels.length; i++) pixels[i] = colors[steps[i]];
    } else if (panel === "overlay" && steps && !lineWidth) {
      for (let i = 0; i < pixels.length; i++) {
        pixels[i] = blended[(steps[i] << 8) | greys[values[i]]];
      }
    } else {
      for (let i = 0; i < pixels.length; i++) pixels[i] = GREYS[greys[values[i]]];
      if (panel === "overlay" && steps) drawContours(pixels, steps, size, colors, lineWidth);
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
  full(panel, paint) {
    const { width, height, values } = this.picture;
    const canvas = new OffscreenCanvas(width, height);
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const lineWidth = paint.lineWidth && Math.max(1, Math.round(Math.min(width, height) / 400));
    this.paint(pixels, panel, values, this.map?.values, { width, height }, { ...paint, lineWidth });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas.convertToBlob();
  }

  // The panels as they are on the screen, at another size.
  async pictures(view, size, paint) {
    this.look(view, size);
    const made = {};
    for (const panel of ["original", "heat-map", "overlay"]) {
      const canvas = new OffscreenCanvas(size.width, size.height);
      this.draw(canvas, panel, paint);
      made[panel] = await canvas.convertToBlob();
    }
    this.seen = null;
    return made;
  }
}
