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
    this.looks = new Map();
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

  /**
   * Samples what a panel of a size shows; panels of one size share it, and nothing is done where
   * that is what they show already.
   * @param {any} view of `View.of`
   * @param {{ width: number, height: number }} size in device pixels
   * @returns {any} the sampled values and steps, and where the picture lies
   */
  look(view, { width, height }) {
    const name = `${width}x${height}`;
    const asked = [view.x, view.y, view.scale, view.smooth].join();
    const known = this.looks.get(name);
    if (known?.asked === asked) return known;
    const values = this.room(known?.values, this.picture.values.constructor, width * height);
    const places = sample(this.pyramids.picture, view, width, height, values);
    const steps = this.map && this.room(known?.steps, Uint8Array, width * height);
    if (this.map) sample(this.pyramids.map, view, width, height, steps);
    const look = { asked, values, steps, places, width, height };
    this.looks.set(name, look);
    return look;
  }

  // The array of before, where it is of the right kind: a new one costs more than the sampling.
  room(before, Kind, length) {
    return before?.constructor === Kind && before.length === length ? before : new Kind(length);
  }

  /** Forgets what panels of sizes showed that are no longer on the screen. @param {string[]} sizes */
  keepOnly(sizes) {
    for (const name of this.looks.keys()) if (!sizes.includes(name)) this.looks.delete(name);
  }

  // paint: the tables (see heat.js and windowing.js), and lineWidth where contours are wanted. A
  // panel that shows this already is left alone: opacity concerns the overlay only.
  draw(canvas, panel, paint, look) {
    const { width, height } = look;
    const { greys, colors, lines, blended, lineWidth, threshold } = paint;
    const shown = {
      original: [greys],
      "heat-map": [colors],
      overlay: lineWidth ? [greys, lines, lineWidth, threshold] : [greys, blended, lineWidth],
    }[panel];
    const painted = [look, this.map, ...shown];
    if (canvas.painted?.every((each, at) => each === painted[at]) && canvas.width === width) return;
    if (canvas.width !== width || canvas.height !== height || !canvas.image) {
      Object.assign(canvas, { width, height });
      canvas.image = new ImageData(width, height);
    }
    const pixels = new Uint32Array(canvas.image.data.buffer);
    this.paint(pixels, panel, look.values, this.map && look.steps, look, paint);
    this.blankOutside(pixels, look);
    canvas.getContext("2d").putImageData(canvas.image, 0, 0);
    canvas.painted = painted;
  }

  // Without a map, the heat map's panel stays black and the overlay shows the picture alone.
  paint(pixels, panel, values, steps, size, paint) {
    const { greys, colors, blended, lineWidth } = paint;
    if (panel === "heat-map") {
      if (!steps) pixels.fill(BACKGROUND);
      else for (let i = 0; i < pixels.length; i++) pixels[i] = colors[steps[i]];
    } else if (panel === "overlay" && steps && !lineWidth) {
      for (let i = 0; i < pixels.length; i++) {
        pixels[i] = blended[(steps[i] << 8) | greys[values[i]]];
      }
    } else {
      for (let i = 0; i < pixels.length; i++) pixels[i] = GREYS[greys[values[i]]];
      if (panel === "overlay" && steps) drawContours(pixels, steps, size, paint);
    }
  }

  blankOutside(pixels, { places: { columns, rows }, width, height }) {
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
    const look = this.look(view, size);
    const made = {};
    for (const panel of ["original", "heat-map", "overlay"]) {
      const canvas = new OffscreenCanvas(size.width, size.height);
      this.draw(canvas, panel, paint, look);
      made[panel] = await canvas.convertToBlob();
    }
    return made;
  }
}
