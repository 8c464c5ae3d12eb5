// The figures with their canvases and buttons: three for each picture.

import { icon } from "../page/icons.js";
import { arrange } from "./arrange.js";

/** @type {Record<string, string>} */
export const NAMES = { original: "Original", "heat-map": "Heat map", overlay: "Overlay" };

const ONE_COLUMN = matchMedia("(max-width: 1099px)");

function button(name, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(icon(name));
  made.addEventListener("click", action);
  return made;
}

function element(kind, name, ...children) {
  const made = document.createElement(kind);
  made.className = name;
  made.append(...children);
  return made;
}

// The colour scale at a map's edge: from the map's maximum down to nothing.
function scale() {
  const made = element("div", "scale", "100 %", Object.assign(new Image(), { alt: "" }), "0 %");
  made.title = "of this map's maximum";
  made.setAttribute("aria-hidden", "true");
  return made;
}

/** The three panels of one picture. */
class Row {
  /**
   * @param {HTMLElement[]} figures
   * @param {object} told
   * @param {string} [told.caption] what the picture is called
   * @param {(panel: string) => void} told.onDownload
   * @param {(figure: HTMLElement) => void} told.onLarge
   * @param {(canvas: HTMLCanvasElement) => void} told.onCanvas
   */
  constructor(figures, { caption = "", onDownload, onLarge, onCanvas }) {
    this.figures = figures;
    this.caption = caption;
    this.canvases = {};
    this.marks = {};
    for (const figure of figures) this.fill(figure, onDownload, onLarge);
    Object.values(this.canvases).forEach(onCanvas);
  }

  fill(figure, onDownload, onLarge) {
    const id = figure.dataset.panel;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.tabIndex = 0;
    const marks = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    marks.setAttribute("class", "marks");
    marks.setAttribute("aria-hidden", "true");
    const stage = element("div", "stage", canvas, marks, element("p", "info"));
    if (id !== "original") stage.append(scale());
    const caption = element(
      "figcaption",
      "",
      document.createElement("span"),
      button("large", () => onLarge(figure)),
      button("save", () => onDownload(id)),
    );
    figure.replaceChildren(caption, stage);
    this.name(figure);
    this.canvases = { ...this.canvases, [id]: canvas };
    this.marks = { ...this.marks, [id]: marks };
  }

  // Names the panels anew by what tells them from those of the other picture.
  rename(caption) {
    this.caption = caption;
    this.figures.forEach((figure) => this.name(figure));
    if (this.told) this.describe(...this.told);
  }

  name(figure) {
    const name = (this.caption && `${this.caption}: `) + NAMES[figure.dataset.panel];
    const [title, large, download] = figure.querySelector("figcaption").children;
    title.textContent = name;
    for (const [made, what] of [
      [large, "full screen"],
      [download, "download as PNG"],
    ]) {
      made.title = `${name}: ${what}`;
      made.setAttribute("aria-label", made.title);
    }
  }

  /** Writes into the corner of every panel. @param {string} text */
  inform(text) {
    for (const figure of this.figures) figure.querySelector(".info").textContent = text;
  }

  // The panels that are on the screen: [id, canvas, marks].
  visible() {
    const shown = this.figures.filter((figure) => !figure.hidden);
    return shown.map(({ dataset: { panel } }) => [panel, this.canvases[panel], this.marks[panel]]);
  }

  // Names what the panels show; without a map, all of them by one text.
  describe(what, hottest) {
    this.told = [what, hottest];
    const of = this.caption && `${this.caption}, `;
    const map = hottest ? `Heat map of the ${what}, ${hottest}` : `Heat map: ${what}`;
    const over = hottest
      ? `X-ray under the heat map of the ${what}, ${hottest}`
      : `Overlay: ${what}`;
    const original = hottest ? "Original X-ray" : `Original: ${what}`;
    this.canvases.original.setAttribute("aria-label", of + original);
    this.canvases["heat-map"].setAttribute("aria-label", of + map);
    this.canvases.overlay.setAttribute("aria-label", of + over);
  }

  clear() {
    for (const canvas of Object.values(this.canvases)) {
      Object.assign(canvas, { width: 1, height: 1, image: null });
    }
    for (const marks of Object.values(this.marks)) marks.replaceChildren();
    this.inform("");
    this.describe("no X-ray yet");
  }
}

export class Panels {
  /**
   * @param {HTMLElement} viewer
   * @param {import("./layout.js").Layout} layout which panels are shown, and how
   * @param {object} told
   * @param {() => void} told.onResize called when the panels' size on the screen has changed
   * @param {(pane: string, panel: string) => void} told.onDownload
   * @param {(pane: string, canvas: HTMLCanvasElement) => void} told.onCanvas called with each canvas
   */
  constructor(viewer, layout, { onResize, onDownload, onCanvas }) {
    this.viewer = viewer;
    this.layout = layout;
    this.onDownload = onDownload;
    this.onCanvas = onCanvas;
    this.onResize = onResize;
    this.room = viewer.querySelector(".panels");
    this.aspect = 1;
    this.observer = new ResizeObserver(() => this.place());
    this.observer.observe(this.room);
    // WebKit tells the observer nothing of some changes of the window.
    window.addEventListener("resize", () => this.place());
    this.canvasObserver = new ResizeObserver(onResize);
    this.rows = { a: this.row("a", [...viewer.querySelectorAll("figure")]) };
    this.rows.a.describe("no X-ray yet");
    const leave = () => document.fullscreenElement || this.leaveLarge();
    document.addEventListener("fullscreenchange", leave);
    viewer.addEventListener("keydown", (event) => event.key === "Escape" && this.leaveLarge());
    ONE_COLUMN.addEventListener("change", () => this.place());
    this.place();
  }

  row(pane, figures, caption) {
    return new Row(figures, {
      caption,
      onDownload: (panel) => this.onDownload(pane, panel),
      onLarge: (figure) => this.toggleLarge(figure),
      onCanvas: (canvas) => {
        this.canvasObserver.observe(canvas);
        this.onCanvas(pane, canvas);
      },
    });
  }

  // Panels for a second picture, below or beside the first one's.
  open(pane, caption) {
    this.close(pane);
    const figures = Object.keys(NAMES).map((panel) => {
      const figure = document.createElement("figure");
      figure.dataset.panel = panel;
      figure.dataset.pane = pane;
      return figure;
    });
    this.room.append(...figures);
    this.viewer.classList.add("two");
    this.rows[pane] = this.row(pane, figures, caption);
    this.place();
  }

  close(pane) {
    for (const figure of this.rows[pane]?.figures ?? []) figure.remove();
    delete this.rows[pane];
    this.viewer.classList.toggle("two", Object.keys(this.rows).length > 1);
    this.place();
  }

  // Of one picture with two maps the original is not shown twice: "h" hides both maps.
  compare(isCompared) {
    this.isCompared = isCompared;
    this.viewer.classList.toggle("compared", isCompared);
    this.place();
  }

  /** @param {number} aspect width of the picture over its height */
  setAspect(aspect) {
    this.aspect = aspect;
    this.viewer.style.setProperty("--aspect", String(aspect));
    this.place();
  }

  /** The panels that are shown, the large one first. @returns {string[]} */
  get shown() {
    if (this.alone) return [this.alone];
    const wanted = this.layout.shown;
    const kept = this.isCompared ? wanted.filter((panel) => panel !== "original") : wanted;
    return kept.length ? kept : ["overlay"];
  }

  /** Gives each panel its place. */
  place() {
    const { shown } = this;
    for (const figure of this.figures) {
      figure.hidden = !shown.includes(figure.dataset.panel);
      figure.classList.toggle("lead", figure.dataset.panel === shown[0]);
      if (ONE_COLUMN.matches && !this.alone) figure.removeAttribute("style");
    }
    if (!ONE_COLUMN.matches || this.alone) this.arrange(shown);
    this.onResize();
  }

  arrange(shown) {
    const rows = Object.values(this.rows);
    const room = { width: this.room.clientWidth, height: this.room.clientHeight };
    const arrangement = this.layout.arrangement;
    const wanted = { panels: shown.length, panes: rows.length, arrangement };
    const places = arrange(room, this.aspect, wanted);
    rows.forEach((row, pane) => {
      for (const figure of row.figures.filter((each) => !each.hidden)) {
        const { x, y, width, height } = places[pane][shown.indexOf(figure.dataset.panel)];
        figure.style.cssText = `left:${x}px;top:${y}px;width:${width}px;height:${height}px`;
      }
    });
  }

  /** The canvas of the large panel. @returns {HTMLCanvasElement} */
  get lead() {
    return this.rows.a.canvases[this.shown[0]];
  }

  // A canvas's size in device pixels, and how many of these a CSS pixel has.
  size(canvas = this.lead) {
    const box = canvas.getBoundingClientRect();
    const ratio = canvas.offsetWidth ? (devicePixelRatio * box.width) / canvas.offsetWidth : 1;
    return {
      width: Math.max(1, Math.round(canvas.offsetWidth * ratio)),
      height: Math.max(1, Math.round(canvas.offsetHeight * ratio)),
      ratio,
    };
  }

  // One panel (of both pictures) and the controls fill the screen, or the window where a phone or
  // an embedding page refuses full screen.
  toggleLarge(figure) {
    if (this.alone) return this.leaveLarge();
    this.alone = figure.dataset.panel;
    this.viewer.classList.add("large");
    this.place();
    this.viewer.requestFullscreen?.().catch(() => {});
  }

  leaveLarge() {
    this.alone = null;
    this.viewer.classList.remove("large");
    this.place();
    if (document.fullscreenElement) document.exitFullscreen();
  }

  get figures() {
    return Object.values(this.rows ?? {}).flatMap((row) => row.figures);
  }
}
