// Window and level: which stored values are black and white.

import { greysOf } from "./tables.js";

const OWN = "own";

export class Windowing {
  low = 0;
  high = 1;

  constructor(root, onChange) {
    this.onChange = onChange;
    this.chooser = root.querySelector(".window select");
    this.level = root.querySelector(".level");
    this.width = root.querySelector(".width");
    this.inverter = root.querySelector(".invert");
    this.chooser.addEventListener("input", () => this.choose(this.chooser.value));
    for (const field of [this.level, this.width]) {
      field.addEventListener("input", () => this.type());
    }
    this.inverter.addEventListener("click", () => this.invert());
    root.querySelector(".reset").addEventListener("click", () => this.reset());
    this.inverted = false;
    this.made = new WeakMap();
  }

  // The picture whose values the fields show; its windows are offered.
  setPicture(greyScale) {
    this.greyScale = greyScale;
    const labels = greyScale.windows.map(({ label, name }) => new Option(name, label));
    this.chooser.replaceChildren(...labels, new Option("Own", OWN));
    this.inverted = false;
    this.choose(greyScale.windows[0].label);
  }

  choose(label) {
    const { windows } = this.greyScale;
    this.preset = windows.find((window) => window.label === label) ? label : null;
    if (this.preset) {
      const { low, high } = windows.find((window) => window.label === label);
      Object.assign(this, { low, high });
    }
    this.changed();
  }

  reset() {
    if (!this.greyScale) return;
    this.inverted = false;
    this.choose(this.greyScale.windows[0].label);
  }

  invert() {
    this.inverted = !this.inverted;
    this.changed();
  }

  // Shares of the window's width: contrast and brightness by dragging or arrows.
  dragBy(across, up) {
    if (!this.greyScale) return;
    const first = this.greyScale.windows[0];
    const whole = Math.abs(first.high - first.low) || 1;
    const width = Math.max(Math.abs(this.high - this.low) + across * whole, whole / 1000);
    const brighter = this.greyScale.inverted !== this.inverted ? up : -up;
    const sign = Math.sign(this.high - this.low) || 1;
    this.setOwn((this.low + this.high) / 2 + sign * brighter * whole, sign * width);
  }

  setOwn(centre, width) {
    Object.assign(this, { low: centre - width / 2, high: centre + width / 2, preset: null });
    this.changed();
  }

  type() {
    if (!this.greyScale) return;
    const { slope, offset } = this.greyScale;
    const [level, width] = [this.level.valueAsNumber, this.width.valueAsNumber];
    if (!Number.isFinite(level) || !(width > 0)) return;
    this.typing = true;
    this.setOwn((level - offset) / slope, width / slope);
    this.typing = false;
  }

  changed() {
    const { slope, offset } = this.greyScale;
    this.chooser.value = this.preset ?? OWN;
    this.inverter.setAttribute("aria-pressed", this.inverted);
    if (!this.typing) {
      this.level.value = rounded(slope * ((this.low + this.high) / 2) + offset);
      this.width.value = rounded(Math.abs(slope * (this.high - this.low)));
    }
    this.onChange();
  }

  // The greys of another picture under the same window: the window of the same name, or as far from
  // its first window as here. Made once: zoom, pan and opacity change nothing of them.
  greys(greyScale) {
    const asked = [this.preset, this.low, this.high, this.inverted].join();
    const known = this.made.get(greyScale);
    if (known?.asked === asked) return known.greys;
    const greys = this.makeGreys(greyScale);
    this.made.set(greyScale, { asked, greys });
    return greys;
  }

  makeGreys(greyScale) {
    const first = greyScale.windows[0];
    const named = greyScale.windows.find(({ label }) => label === this.preset);
    const own = this.preset ? first : fromShares(first, this.shares());
    return greysOf(greyScale, named ?? own, this.inverted);
  }

  shares() {
    const first = this.greyScale.windows[0];
    const whole = first.high - first.low || 1;
    return { low: (this.low - first.low) / whole, high: (this.high - first.low) / whole };
  }

  /** The corner's words. */
  get says() {
    const { slope, offset, windows } = this.greyScale;
    const level = rounded(slope * ((this.low + this.high) / 2) + offset);
    const width = rounded(Math.abs(slope * (this.high - this.low)));
    const preset = windows.find(({ label }) => label === this.preset);
    const numbers = preset?.greys ? [] : [`L ${level}  W ${width}`]; // a table has neither
    return [...numbers, preset?.name ?? "Own window", ...(this.inverted ? ["inverted"] : [])].join("\n");
  }

  get settings() {
    const { preset, inverted } = this;
    return preset ? { preset, inverted } : { ...this.shares(), inverted };
  }

  apply({ preset, low, high, inverted }) {
    if (!this.greyScale) return;
    this.inverted = inverted === true;
    if (Number.isFinite(low) && Number.isFinite(high) && low !== high) {
      Object.assign(this, fromShares(this.greyScale.windows[0], { low, high }), { preset: null });
      this.changed();
    } else {
      const isOffered = this.greyScale.windows.some(({ label }) => label === preset);
      this.choose(isOffered ? preset : this.preset);
    }
  }
}

function fromShares(first, { low, high }) {
  const whole = first.high - first.low;
  return { low: first.low + low * whole, high: first.low + high * whole };
}

// Stored values are whole numbers: a fraction says nothing, unless the whole range is small.
function rounded(value) {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
