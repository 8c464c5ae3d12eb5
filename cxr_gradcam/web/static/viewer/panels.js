// The three figures with their canvases and buttons.

const NAMES = { original: "Original", "heat-map": "Heat map", overlay: "Overlay" };

function button(label, symbol, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.title = label;
  made.setAttribute("aria-label", label);
  made.textContent = symbol;
  made.addEventListener("click", action);
  return made;
}

export class Panels {
  // onResize: called when the panels' size on the screen has changed; onDownload: with a panel's id.
  constructor(viewer, { onResize, onDownload }) {
    this.viewer = viewer;
    this.onDownload = onDownload;
    this.figures = [...viewer.querySelectorAll("figure")];
    this.canvases = Object.fromEntries(
      this.figures.map((figure) => [figure.dataset.panel, this.fill(figure)]),
    );
    this.describe("no X-ray yet");
    const observer = new ResizeObserver(onResize);
    Object.values(this.canvases).forEach((canvas) => observer.observe(canvas));
    const leave = () => document.fullscreenElement || this.leaveLarge();
    document.addEventListener("fullscreenchange", leave);
    viewer.addEventListener("keydown", (event) => event.key === "Escape" && this.leaveLarge());
  }

  fill(figure) {
    const id = figure.dataset.panel;
    const name = NAMES[id];
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    const caption = document.createElement("figcaption");
    caption.append(
      name,
      button(`${name}: full screen`, "⤢", () => this.toggleLarge(figure)),
      button(`${name}: download as PNG`, "⤓", () => this.onDownload(id)),
    );
    figure.append(caption, canvas);
    return canvas;
  }

  // The panels that are on the screen, and their common size in device pixels.
  visible() {
    const shown = this.figures.filter((figure) => !figure.hidden);
    return shown.map((figure) => [figure.dataset.panel, this.canvases[figure.dataset.panel]]);
  }

  size() {
    const [, canvas] = this.visible()[0];
    const box = canvas.getBoundingClientRect();
    const ratio = canvas.offsetWidth ? (devicePixelRatio * box.width) / canvas.offsetWidth : 1;
    return {
      width: Math.max(1, Math.round(canvas.offsetWidth * ratio)),
      height: Math.max(1, Math.round(canvas.offsetHeight * ratio)),
    };
  }

  // Names what the panels show; without a map, all of them by one text.
  describe(what, hottest) {
    const map = hottest ? `Heat map of the ${what}, ${hottest}` : `Heat map: ${what}`;
    const over = hottest
      ? `X-ray under the heat map of the ${what}, ${hottest}`
      : `Overlay: ${what}`;
    const original = hottest ? "Original X-ray" : `Original: ${what}`;
    this.canvases.original.setAttribute("aria-label", original);
    this.canvases["heat-map"].setAttribute("aria-label", map);
    this.canvases.overlay.setAttribute("aria-label", over);
  }

  // One panel and the controls fill the screen, or the window where a phone or an embedding page
  // refuses full screen.
  toggleLarge(figure) {
    if (this.viewer.classList.contains("large")) return this.leaveLarge();
    this.viewer.classList.add("large");
    for (const other of this.figures) other.hidden = other !== figure;
    this.viewer.requestFullscreen?.().catch(() => {});
  }

  leaveLarge() {
    this.viewer.classList.remove("large");
    for (const figure of this.figures) figure.hidden = false;
    if (document.fullscreenElement) document.exitFullscreen();
  }
}
