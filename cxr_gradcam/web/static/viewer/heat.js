// How the heat map is laid over the picture: colours, opacity, threshold, contours.

import { bytesOf } from "./pixels.js";
import { blendTable, colorsOf } from "./tables.js";

const STYLES = ["even", "fading", "contours"];

export class HeatDisplay {
  // colormaps: for each name the table of 768 bytes in base64, whether equal steps look equal
  // (perceptual), and whether the colour-blind can tell them (safe).
  constructor(root, colormaps, onChange) {
    this.onChange = onChange;
    this.colormaps = colormaps;
    this.bytes = Object.fromEntries(
      Object.entries(colormaps).map(([name, { table }]) => [name, bytesOf(table)]),
    );
    this.slider = root.querySelector(".opacity input");
    this.percent = root.querySelector(".opacity b");
    this.chooser = root.querySelector(".colormap select");
    this.scale = root.querySelector(".scale canvas");
    this.style = root.querySelector(".style");
    this.threshold = root.querySelector(".threshold");
    this.hidden = root.querySelector(".hidden-below");
    for (const [name, { perceptual }] of Object.entries(colormaps)) {
      this.chooser.add(new Option(perceptual ? `${name} (even steps)` : name, name));
    }
    for (const control of [this.slider, this.chooser, this.style, this.threshold]) {
      control.addEventListener("input", () => this.changed());
    }
    root.querySelector(".safe").addEventListener("click", () => this.useSafeColors());
    this.drawScale();
  }

  useSafeColors() {
    this.chooser.value = Object.keys(this.colormaps).find((name) => this.colormaps[name].safe);
    this.changed();
  }

  nextStyle() {
    this.style.selectedIndex = (this.style.selectedIndex + 1) % STYLES.length;
    this.changed();
  }

  changed() {
    for (const [control, text] of [
      [this.slider, this.percent],
      [this.threshold, this.hidden],
    ]) {
      text.textContent = `${control.value} %`;
      control.setAttribute("aria-valuetext", text.textContent);
    }
    this.drawScale();
    this.onChange();
  }

  get contours() {
    return this.style.value === "contours";
  }

  // The opacity of a step of the map, as in rendering.py.
  opacityOf() {
    const alpha = this.slider.valueAsNumber / 100;
    const least = Math.ceil((255 * this.threshold.valueAsNumber) / 100);
    const fades = this.style.value === "fading";
    return (step) => (step < least ? 0 : fades ? (alpha * step) / 255 : alpha);
  }

  // The tables to paint with; made anew only where something changed.
  tables() {
    const { opacity, colormap, style, threshold } = this.settings;
    const asked = [opacity, colormap, style, threshold].join();
    if (asked !== this.asked) {
      const bytes = this.bytes[colormap];
      this.made = { colors: colorsOf(bytes), blended: blendTable(bytes, this.opacityOf()) };
      this.asked = asked;
    }
    return this.made;
  }

  drawScale() {
    const image = new ImageData(256, 1);
    const bytes = this.bytes[this.chooser.value];
    for (let step = 0; step < 256; step++) {
      image.data.set([...bytes.subarray(3 * step, 3 * step + 3), 255], 4 * step);
    }
    this.scale.getContext("2d").putImageData(image, 0, 0);
  }

  // Names a download of the overlay.
  get name() {
    const { opacity, style, threshold } = this.settings;
    const words = style === "contours" ? [style] : [opacity, ...(style === "fading" ? [style] : [])];
    return threshold && style !== "contours" ? [...words, "from", threshold] : words;
  }

  get settings() {
    return {
      opacity: this.slider.valueAsNumber,
      colormap: this.chooser.value,
      style: this.style.value,
      threshold: this.threshold.valueAsNumber,
    };
  }

  // Takes what can be taken: the values may come from a stranger's link.
  apply({ opacity, colormap, style, threshold }) {
    const isShare = (value) => Number.isInteger(value) && value >= 0 && value <= 100;
    if (isShare(opacity)) this.slider.value = opacity;
    if (isShare(threshold)) this.threshold.value = threshold;
    if (Object.hasOwn(this.colormaps, colormap)) this.chooser.value = colormap;
    if (STYLES.includes(style)) this.style.value = style;
    this.changed();
  }
}
