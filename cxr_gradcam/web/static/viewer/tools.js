// The toolbar: what dragging does, and the zoom.

import { addIcons, icon } from "../page/icons.js";

const MODES = [
  ["move", "Move", "v"],
  ["window", "Window", "w"],
  ["measure", "Measure", "m"],
  ["cover", "Cover a place", "k"],
];

export class Tools {
  constructor(root, viewer) {
    this.root = root;
    this.modes = root.querySelector(".modes");
    this.chosen = "move";
    for (const [id, name, key] of MODES) this.modes.append(this.mode(id, name, key));
    root.querySelector(".zooms").append(
      button(icon("out"), "Zoom out", "-", () => viewer.zoomOut()),
      button(icon("in"), "Zoom in", "+", () => viewer.zoomIn()),
      button(icon("fit"), "Whole X-ray", "0", () => viewer.view.fit()),
      button("1:1", "Pixel by pixel", "1", () => viewer.oneToOne()),
    );
    const smooth = root.querySelector(".smooth");
    smooth.checked = viewer.view.smooth; // Gradio's templates drop the attribute
    smooth.addEventListener("input", () => viewer.toggleSmooth());
    addIcons(root);
    this.choose("move");
    walk(this.modes, (mode) => mode.click());
    const zooms = root.querySelector(".zooms");
    walk(zooms, () => {}, zooms.querySelector('[aria-label="Whole X-ray"]')); // always shown
  }

  mode(id, name, key) {
    const made = button(icon(id), name, key, () => this.choose(id));
    made.setAttribute("role", "radio");
    made.dataset.mode = id;
    return made;
  }

  choose(id) {
    this.chosen = id;
    for (const mode of this.modes.children) {
      const isChosen = mode.dataset.mode === id;
      mode.setAttribute("aria-checked", isChosen);
      mode.tabIndex = isChosen ? 0 : -1;
    }
    const cursor = { move: "grab", window: "ns-resize", measure: "crosshair", cover: "crosshair" }[id];
    this.root.style.setProperty("--cursor", cursor);
  }
}

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/**
 * Makes a group of buttons one stop of the Tab key, within which the arrow keys go on.
 * @param {HTMLElement} group
 * @param {(button: HTMLElement) => void} arrive called with the button that an arrow leads to
 * @param {Element | undefined} [first] where the Tab key arrives; the chosen one if left out
 */
function walk(group, arrive, first) {
  const buttons = /** @type {HTMLElement[]} */ ([...group.children]);
  const chosen = buttons.find((each) => each.getAttribute("aria-checked") === "true");
  const stop = (button) => buttons.forEach((each) => (each.tabIndex = each === button ? 0 : -1));
  stop(first ?? chosen);
  group.addEventListener("focusin", (event) => stop(event.target));
  group.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const shown = buttons.filter((each) => each.offsetParent);
    const at = shown.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step;
    const next = shown[(at + shown.length) % shown.length];
    next.focus();
    arrive(next);
  });
}

/**
 * @param {Node | string} face what is seen
 * @param {string} label
 * @param {string} key that does the same
 * @param {() => void} action
 */
function button(face, label, key, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(face);
  made.setAttribute("aria-label", label);
  made.title = `${label} (${key})`;
  made.setAttribute("aria-keyshortcuts", key);
  made.addEventListener("click", action);
  return made;
}
