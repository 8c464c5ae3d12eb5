// The figures with their canvases and buttons: three for each picture.

const NAMES = { original: "Original", "heat-map": "Heat map", overlay: "Overlay" };

function button(symbol, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = symbol;
  made.addEventListener("click", action);
  return made;
}

// The three panels of one picture.
class Row {
  constructor(figures, { caption = "", onDownload, onLarge, onCanvas }) {
    Object.assign(this, { figures, caption, canvases: {}, marks: {} });
    for (const figure of figures) this.fill(figure, onDownload, onLarge);
    Object.values(this.canvases).forEach(onCanvas);
  }

  fill(figure, onDownload, onLarge) {
    const id = figure.dataset.panel;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.tabIndex = 0;
    const marks = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    marks.setAttribute("aria-hidden", "true");
    const stage = document.createElement("div");
    stage.className = "stage";
    stage.append(canvas, marks);
    const caption = document.createElement("figcaption");
    caption.append(
      document.createElement("span"),
      button("⤢", () => onLarge(figure)),
      button("⤓", () => onDownload(id)),
    );
    figure.replaceChildren(caption, stage);
    this.name(figure);
    Object.assign(this, {
      canvases: { ...this.canvases, [id]: canvas },
      marks: { ...this.marks, [id]: marks },
    });
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
    this.describe("no X-ray yet");
  }
}

export class Panels {
  // onResize: called when the panels' size on the screen has changed; onDownload: with the pane and
  // a panel's id; onCanvas: with the pane and each new canvas.
  constructor(viewer, { onResize, onDownload, onCanvas }) {
    Object.assign(this, { viewer, onDownload, onCanvas });
    this.observer = new ResizeObserver(onResize);
    this.rows = { a: this.row("a", [...viewer.querySelectorAll("figure")]) };
    this.rows.a.describe("no X-ray yet");
    const leave = () => document.fullscreenElement || this.leaveLarge();
    document.addEventListener("fullscreenchange", leave);
    viewer.addEventListener("keydown", (event) => event.key === "Escape" && this.leaveLarge());
  }

  row(pane, figures, caption) {
    const row = new Row(figures, {
      caption,
      onDownload: (panel) => this.onDownload(pane, panel),
      onLarge: (figure) => this.toggleLarge(figure),
      onCanvas: (canvas) => {
        this.observer.observe(canvas);
        this.onCanvas(pane, canvas);
      },
    });
    return row;
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
    this.viewer.querySelector(".panels").append(...figures);
    this.viewer.classList.add("two");
    this.rows[pane] = this.row(pane, figures, caption);
  }

  close(pane) {
    for (const figure of this.rows[pane]?.figures ?? []) figure.remove();
    delete this.rows[pane];
    this.viewer.classList.toggle("two", Object.keys(this.rows).length > 1);
  }

  // Of one picture with two maps the original is not shown twice, nor is there room for it: the
  // overlay without opacity is the original.
  compare(isCompared) {
    this.isCompared = isCompared;
    this.viewer.classList.toggle("compared", isCompared);
    if (!this.viewer.classList.contains("large")) this.showAll();
  }

  showAll() {
    for (const figure of this.figures) {
      figure.hidden = Boolean(this.isCompared) && figure.dataset.panel === "original";
    }
  }

  // The panels' common size in device pixels, and how many of these a CSS pixel has.
  size() {
    const [, canvas] = this.rows.a.visible()[0];
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
    if (this.viewer.classList.contains("large")) return this.leaveLarge();
    this.viewer.classList.add("large");
    for (const other of this.figures) other.hidden = other.dataset.panel !== figure.dataset.panel;
    this.viewer.requestFullscreen?.().catch(() => {});
  }

  leaveLarge() {
    this.viewer.classList.remove("large");
    this.showAll();
    if (document.fullscreenElement) document.exitFullscreen();
  }

  get figures() {
    return Object.values(this.rows).flatMap((row) => row.figures);
  }
}
