// Draws the panels: what each pane shows under the view, the window and the colours of now.

import { drawMarks } from "./marks.js";

const PAUSE = 150; // ms without a change, after which the panels are drawn at full resolution
const COARSEST = 4;

export class Drawing {
  frame = 12; // ms that a drawing may take while one change follows another
  divisor = 1; // of the resolution, with which a drawing takes no longer
  /** @type {number | undefined} the timer of the pause, while one change follows another */
  changing;
  isCoarse = false;

  /** @param {any} viewer */
  constructor(viewer) {
    this.viewer = viewer;
  }

  // A change by hand. Of a series of them all but the first and the last may be drawn coarsely.
  change() {
    if (!this.pending) this.isCoarse = this.changing !== undefined;
    this.awaitPause();
    this.redraw();
  }

  awaitPause() {
    clearTimeout(this.changing);
    this.changing = setTimeout(() => {
      this.changing = undefined;
      this.isCoarse = false;
      this.redraw();
    }, PAUSE);
  }

  // However many events come before the next frame, one drawing is made.
  redraw() {
    this.pending ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (this.pending) cancelAnimationFrame(this.pending);
    this.pending = null;
    const { view, panes, panels, tools, root, isFilled } = this.viewer;
    if (!isFilled) return;
    view.limit(panes.a.renderer.picture, panels.size());
    const zoomed = !view.fits || tools.chosen !== "move";
    root.style.setProperty("--touch", zoomed ? "none" : "pan-x pan-y");
    root.dataset.scale = this.isOneScale ? "one" : "own";
    const divisor = this.isCoarse ? this.divisor : 1;
    const start = performance.now();
    for (const [name, pane] of Object.entries(panes)) this.drawPane(name, pane, divisor);
    if (this.changing === undefined) return;
    const elapsed = performance.now() - start;
    if (divisor === 1 || elapsed > 2 * this.frame) this.divisor = this.divisorFor(elapsed, divisor);
    this.awaitPause(); // a slow drawing is no pause
  }

  // Twice as coarse is four times as quick.
  divisorFor(elapsed, divisor) {
    const wanted = Math.ceil(divisor * Math.sqrt(elapsed / this.frame));
    return Math.min(Math.max(wanted, 1), COARSEST);
  }

  drawPane(name, pane, divisor) {
    const { renderer } = pane;
    const row = this.viewer.panels.rows[name];
    if (!renderer.picture || !row) return;
    const sizes = [];
    for (const [panel, canvas, marks] of row.visible()) {
      const whole = this.viewer.panels.size(canvas);
      const size = coarser(whole, divisor);
      const look = renderer.look(this.viewer.view.of(renderer.picture, size), size);
      renderer.draw(canvas, panel, this.paint(pane, size.ratio), look);
      this.drawMarks(marks, pane, whole);
      sizes.push(`${size.width}x${size.height}`);
    }
    renderer.keepOnly(sizes);
    row.inform(this.viewer.windowing.says);
  }

  // The tables that a pane's panels are painted with.
  paint(pane, ratio = 1) {
    const { heat, windowing } = this.viewer;
    const lineWidth = heat.contours ? Math.max(1, Math.round(1.5 * ratio)) : 0;
    const greys = windowing.greys(pane.greyScale);
    return { ...heat.tables(this.share(pane)), greys, lineWidth };
  }

  /**
   * How strong a map's strongest place is beside that of the other map, where both are on one scale.
   * @param {any} pane
   */
  share(pane) {
    if (!this.isOneScale) return 1;
    return pane.peak / Math.max(...Object.values(this.viewer.panes).map(({ peak }) => peak));
  }

  // Peaks can be compared where both maps are of one gradient method at one layer of one model.
  get isOneScale() {
    const { a, b } = this.viewer.panes;
    const isOfModels = new URLSearchParams(b?.link).get("compare")?.startsWith("model:");
    return Boolean(!isOfModels && a.scale && b?.scale === a.scale && Math.max(a.peak, b.peak) > 0);
  }

  drawMarks(svg, pane, size) {
    const { picture } = pane.renderer;
    const css = { width: size.width / size.ratio, height: size.height / size.ratio };
    drawMarks(svg, css, {
      greyScale: pane.greyScale,
      toPanel: (place) => this.viewer.view.toPanel(place, picture, css),
      scale: this.viewer.view.scale(picture, css),
      ruler: this.viewer.cursor.ruler,
      cursor: this.viewer.cursor.place,
      box: pane === this.viewer.panes.a ? this.viewer.cursor.box : null,
      outlines: this.viewer.lungs.of(pane),
    });
  }

  // The three panels as they are on the screen, as PNG, `width` pixels wide.
  async panelsAsPng(width, pane = "a") {
    const { renderer } = this.viewer.panes[pane];
    const shown = this.viewer.panels.size();
    // Of the whole X-ray, no black around it.
    const { width: across, height: down } = this.viewer.view.fits ? renderer.picture : shown;
    const size = { width, height: Math.round((width * down) / across) };
    const paint = this.paint(this.viewer.panes[pane], width / (shown.width / shown.ratio));
    const made = await renderer.pictures(this.viewer.view.of(renderer.picture, size), size, paint);
    this.redraw();
    return made;
  }
}

function coarser({ width, height, ratio }, divisor) {
  return {
    width: Math.ceil(width / divisor),
    height: Math.ceil(height / divisor),
    ratio: ratio / divisor,
  };
}
