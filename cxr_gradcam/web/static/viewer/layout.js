// Which panels are shown, which of them is large, and how they stand; kept in this browser.

import { ARRANGEMENTS } from "./arrange.js";
import { NAMES } from "./panels.js";

const KEY = "cxr-gradcam.layout";
const PANELS = Object.keys(NAMES);
/** @type {[string, string][]} */
const OFFERED = [
  ["auto", "Automatic"],
  ["lead", "One large"],
  ["row", "Row"],
  ["column", "Column"],
];

export class Layout {
  /**
   * @param {HTMLElement} root of the viewer
   * @param {() => void} onChange
   */
  constructor(root, onChange) {
    this.onChange = onChange;
    this.arrangement = "auto";
    /** @type {string[]} the large panel first */
    this.shown = ["overlay", "original", "heat-map"];
    this.choices = /** @type {HTMLElement} */ (root.querySelector(".arrangements"));
    this.toggles = /** @type {HTMLElement} */ (root.querySelector(".shown"));
    for (const [name, label] of OFFERED) {
      this.choices.append(choice("radio", name, label, () => this.take({ arrangement: name })));
    }
    for (const panel of PANELS) {
      this.toggles.append(choice("checkbox", panel, NAMES[panel], () => this.toggle(panel)));
    }
    this.read();
    this.say();
  }

  /** Makes a panel the large one; where it is that already, it stands alone, or no more. */
  lead(panel) {
    const others = PANELS.filter((each) => each !== panel);
    const isLead = this.shown[0] === panel;
    if (!isLead) this.take({ shown: [panel, ...this.shown.filter((each) => each !== panel)] });
    else this.take({ shown: this.shown.length > 1 ? [panel] : [panel, ...others] });
  }

  toggle(panel) {
    const others = this.shown.filter((each) => each !== panel);
    const shown = this.shown.includes(panel) ? others : [...this.shown, panel];
    this.take({ shown: shown.length ? shown : this.shown });
  }

  /**
   * Takes what can be taken: it may come from a stranger's link.
   * @param {{ arrangement?: unknown, shown?: unknown }} wanted
   */
  take({ arrangement, shown }) {
    if (OFFERED.some(([name]) => name === arrangement)) this.arrangement = String(arrangement);
    if (Array.isArray(shown)) {
      const known = PANELS.filter((panel) => shown.includes(panel));
      known.sort((one, other) => shown.indexOf(one) - shown.indexOf(other));
      if (known.length) this.shown = known;
    }
    this.say();
    this.keep();
    this.onChange();
  }

  get settings() {
    return { arrangement: this.arrangement, shown: [...this.shown] };
  }

  get isUsual() {
    return this.arrangement === "auto" && this.shown.join() === "overlay,original,heat-map";
  }

  say() {
    for (const input of this.choices.querySelectorAll("input")) {
      input.checked = input.value === this.arrangement;
    }
    for (const input of this.toggles.querySelectorAll("input")) {
      input.checked = this.shown.includes(input.value);
    }
  }

  // A browser that keeps nothing, as for pages inside others, begins with the usual layout.
  keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.settings));
    } catch {
      // it is kept until the page goes
    }
  }

  read() {
    try {
      const { arrangement, shown } = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      if (ARRANGEMENTS.includes(arrangement)) this.arrangement = arrangement;
      const known = PANELS.filter((panel) => shown?.includes(panel));
      if (known.length) this.shown = shown.filter((panel) => known.includes(panel));
    } catch {
      // nothing that can be read
    }
  }
}

function choice(type, value, label, action) {
  const made = document.createElement("label");
  made.className = "check";
  const input = Object.assign(document.createElement("input"), { type, value });
  if (type === "radio") input.name = "arrangement";
  input.addEventListener("change", action);
  made.append(input, label);
  return made;
}
