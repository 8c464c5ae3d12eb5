// The bar: what is open, and what can be done with it; the rails that fold away.

import { addIcons } from "./icons.js";
import { startNotice } from "./notice.js";
import { sideMarks } from "../viewer/measure.js";

const PAGE = document.documentElement;

/** @param {HTMLElement} element Gradio's component */
export function start(element) {
  const bar = /** @type {HTMLElement} */ (element.querySelector(".bar"));
  addIcons(element);
  startNotice(/** @type {HTMLElement} */ (element.querySelector(".notice")));
  new Bar(bar);
}

class Bar {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.opened = this.find(".opened");
    this.menu = this.find("#open-menu");
    for (const button of root.querySelectorAll("[data-choose]")) {
      button.addEventListener("click", () => this.choose(button));
    }
    this.menu.addEventListener("beforetoggle", () => this.offerExamples());
    this.on(".list", () => this.dispatch("unfold"));
    this.on(".prior", () => this.find("#choose-prior").click());
    this.on(".link", () => this.dispatch("copylink"));
    this.on(".report", () => this.press("#report"));
    this.on(".about", () => this.showFacts());
    this.on(".help", () => this.dispatch("showkeys"));
    for (const event of ["picture", "map", "closed", "listed"]) {
      document.addEventListener(event, () => this.show());
    }
    this.show();
  }

  /**
   * @param {string} selector
   * @returns {HTMLElement}
   */
  find(selector) {
    return /** @type {HTMLElement} */ (this.root.querySelector(selector));
  }

  /**
   * @param {string} selector
   * @param {() => void} action
   */
  on(selector, action) {
    this.find(selector).addEventListener("click", action);
  }

  /** @param {string} name */
  dispatch(name) {
    document.dispatchEvent(new CustomEvent(name));
  }

  /** @param {string} selector of a button of Gradio's, which is out of sight */
  press(selector) {
    /** @type {HTMLElement | null} */ (document.querySelector(selector))?.click();
  }

  /** @param {Element} button */
  choose(button) {
    this.menu.hidePopover();
    this.press(/** @type {HTMLElement} */ (button).dataset.choose ?? "");
  }

  // The label of the model that is asked, above its whole card.
  async showFacts() {
    const screen = /** @type {HTMLElement} */ (document.querySelector("#facts"));
    const { model } = /** @type {HTMLElement} */ (document.querySelector(".worklist")).dataset;
    const label = /** @type {HTMLElement} */ (screen.querySelector(".label"));
    if (label.dataset.model !== model) {
      const query = new URLSearchParams({ model: model ?? "" });
      const response = await fetch(new URL(`facts?${query}`, document.baseURI));
      if (!response.ok) return;
      label.innerHTML = await response.text();
      label.dataset.model = model;
    }
    screen.popover = "auto";
    screen.setAttribute("role", "dialog");
    screen.setAttribute("aria-label", "About this model");
    screen.showPopover();
    /** @type {HTMLElement | null} */ (screen.querySelector(".close"))?.focus();
  }

  // The examples of the empty page, once more in the menu.
  offerExamples() {
    const place = this.find("#open-menu .examples");
    if (place.childElementCount) return;
    for (const shown of document.querySelectorAll("#examples button")) {
      const button = /** @type {HTMLElement} */ (shown.cloneNode(true));
      button.addEventListener("click", () => {
        this.menu.hidePopover();
        /** @type {HTMLElement} */ (shown).click();
      });
      place.append(button);
    }
  }

  // What cannot be done yet is not offered.
  show() {
    const viewer = /** @type {any} */ (document.querySelector("#viewer .viewer"))?.viewer;
    const isFilled = Boolean(viewer?.isFilled);
    PAGE.classList.toggle("has-film", isFilled);
    for (const name of ["prior", "link", "report"]) this.find(`.actions .${name}`).hidden = !isFilled;
    this.opened.textContent = isFilled ? describe(viewer.panes.a.greyScale) : "";
  }
}

/**
 * Says what is known of the open X-ray: its place in the list, its name where the reader shows
 * names, its sides and its spacing.
 * @param {any} greyScale what the server says of the picture
 */
function describe({ spacing, orientation, width, height }) {
  const row = document.querySelector("#worklist [aria-current=true]");
  const words = [];
  const count = document.querySelectorAll("#worklist .rows > li").length;
  if (row) words.push(`X-ray ${row.querySelector(".number")?.textContent} of ${count}`);
  const isNamed = document.querySelector("#worklist .named");
  const name = row?.querySelector(".file")?.textContent;
  if (isNamed && name) words.push(name);
  words.push(`${width} × ${height} pixels`);
  if (spacing) words.push(`${Number(spacing.column.toPrecision(3))} mm a pixel`);
  const { left, right } = sideMarks(orientation);
  if (left && right) words.push(`${left} at the left, ${right} at the right`);
  return words.join(" · ");
}
