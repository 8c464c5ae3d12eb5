// How the heat map is laid over the picture: colours, opacity, threshold, contours.

import { levelsFrom } from "./contours.js";
import { bytesOf } from "./pixels.js";
import { blendTable, colorsOf } from "./tables.js";

const STYLES = ["even", "fading", "contours"];

export class HeatDisplay {
  /** @type {Map<string, Uint32Array>} colours made, by colour map and share */
  known = new Map();

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
    this.root = root;
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
    this.hider = root.querySelector(".hide");
    this.hider.addEventListener("click", () => this.toggle());
    this.isHidden = false;
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
    return this.style.value === "contours" && !this.isHidden;
  }

  // The opacity of a step of the map, as in rendering.py.
  opacityOf() {
    const alpha = this.slider.valueAsNumber / 100;
    const least = Math.ceil((255 * this.threshold.valueAsNumber) / 100);
    const fades = this.style.value === "fading";
    if (this.isHidden) return () => 0;
    return (step) => (step < least ? 0 : fades ? (alpha * step) / 255 : alpha);
  }

  /**
   * The tables to paint with; made anew only where something changed.
   * @param {number} [share] of the strongest place of the map beside this one, where both are on
   *   one scale
   */
  tables(share = 1) {
    const { opacity, colormap, style, threshold } = this.settings;
    const asked = [opacity, colormap, style, threshold].join();
    if (asked !== this.asked) this.made = new Map();
    this.asked = asked;
    if (!this.made.has(share)) {
      const bytes = scaled(this.bytes[colormap], share);
      const opacityOf = this.opacityOf();
      const blended = blendTable(bytes, (step) => opacityOf(Math.round(step * share)));
      const colors = this.colors(bytes, colormap, share);
      const lines = this.colors(this.bytes[colormap], colormap, 1);
      this.made.set(share, { colors, lines, blended, share, threshold });
    }
    return this.made.get(share);
  }

  // The same table as long as the colours are the same, so that panels know what they show.
  colors(bytes, colormap, share) {
    const name = `${colormap} ${share}`;
    if (!this.known.has(name)) this.known.set(name, colorsOf(bytes));
    return this.known.get(name);
  }

  // The scales at the maps' edges, or what the lines of contours mean.
  drawScale() {
    const bytes = this.bytes[this.chooser.value];
    const image = new ImageData(1, 256);
    for (let step = 0; step < 256; step++) {
      image.data.set([...bytes.subarray(3 * step, 3 * step + 3), 255], 4 * (255 - step));
    }
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 256 });
    canvas.getContext("2d").putImageData(image, 0, 0);
    const drawn = canvas.toDataURL();
    for (const shown of this.root.querySelectorAll(".scale img")) shown.src = drawn;
    const legend = this.contours ? levelsFrom(this.settings.threshold).map((level) => this.legend(level, bytes)) : [];
    for (const place of this.root.querySelectorAll("[data-panel=overlay] .scale")) {
      place.querySelector(".legend")?.remove();
      if (!legend.length) continue;
      const made = document.createElement("span");
      made.className = "legend";
      made.append(...legend.map((each) => each.cloneNode(true)).reverse());
      place.append(made);
    }
  }

  legend(level, bytes) {
    const made = document.createElement("span");
    const [red, green, blue] = bytes.subarray(3 * Math.ceil(255 * level), 3 * Math.ceil(255 * level) + 3);
    made.style.setProperty("--line-color", `rgb(${red} ${green} ${blue})`);
    made.textContent = `${100 * level} %`;
    return made;
  }

  // The X-ray alone, until it is asked for again.
  toggle() {
    this.isHidden = !this.isHidden;
    this.hider.setAttribute("aria-pressed", String(this.isHidden));
    this.asked = null;
    this.onChange();
  }

  // Names a download of the overlay.
  get name() {
    const { opacity, style, threshold } = this.settings;
    const words = style === "contours" ? [style] : [opacity, ...(style === "fading" ? [style] : [])];
    return threshold ? [...words, "from", threshold] : words;
  }

  get settings() {
    return {
      opacity: this.slider.valueAsNumber,
      colormap: this.chooser.value,
      style: this.style.value,
      threshold: this.threshold.valueAsNumber,
    };
  }

  /**
   * Takes what can be taken: the values may come from a stranger's link.
   * @param {{ opacity?: any, colormap?: any, style?: any, threshold?: any }} settings
   */
  apply({ opacity, colormap, style, threshold }) {
    const isShare = (value) => Number.isInteger(value) && value >= 0 && value <= 100;
    if (isShare(opacity)) this.slider.value = opacity;
    if (isShare(threshold)) this.threshold.value = threshold;
    if (Object.hasOwn(this.colormaps, colormap)) this.chooser.value = colormap;
    if (STYLES.includes(style)) this.style.value = style;
    this.changed();
  }
}

// A table whose last colour is that of a share of the whole.
function scaled(bytes, share) {
  if (share === 1) return bytes;
  const made = new Uint8Array(768);
  for (let step = 0; step < 256; step++) {
    const from = 3 * Math.round(step * share);
    made.set(bytes.subarray(from, from + 3), 3 * step);
  }
  return made;
}
