// The place that the pointer or the arrow keys show, and what is drawn from there.

import { askToCover, boxOf } from "./cover.js";

export class Cursor {
  /** @param {any} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.readout = viewer.root.querySelector(".readout");
    this.clear();
  }

  // Of another X-ray nothing is measured yet.
  clear() {
    this.place = this.ruler = this.box = null;
    this.isDrawing = false;
    this.readout.textContent = "";
  }

  /**
   * @param {any} pane
   * @param {{ x: number, y: number } | null} pixel of the picture; null where the pointer has left
   */
  point(pane, pixel) {
    this.place = pixel && pane.renderer.contains(pixel) ? pixel : null;
    this.readout.textContent = this.place ? pane.says(this.place, this.ruler) : "";
    this.viewer.redraw();
  }

  // Draws a line to be measured, or the box of a place to be covered.
  draw(phase, pixel) {
    const drawn = this.drawn;
    if (phase === "start") this[drawn] = { from: pixel, to: pixel };
    else if (this[drawn]) this[drawn] = { ...this[drawn], to: pixel };
    if (phase === "end" && drawn === "box") this.cover();
    this.viewer.redraw();
  }

  get drawn() {
    return this.viewer.tools.chosen === "cover" ? "box" : "ruler";
  }

  cover() {
    const box = this.box && boxOf(this.box, this.viewer.panes.a.renderer.picture);
    this.box = null;
    if (box) askToCover(box);
  }

  // An arrow key does what dragging would do; when drawing, it moves the cross.
  arrow(x, y) {
    const { view, windowing, tools, panes } = this.viewer;
    if (tools.chosen === "window") return windowing.dragBy(x / 2, -y / 2);
    if (tools.chosen === "move") return view.panBy(-x / view.zoom, -y / view.zoom);
    const { picture } = panes.a.renderer;
    const from = this.place ?? { x: picture.width * view.x, y: picture.height * view.y };
    const step = (0.2 * picture.width) / view.zoom;
    this.place = { x: from.x + x * step, y: from.y + y * step };
    if (this.isDrawing) this.draw("go", this.place);
    this.readout.textContent = panes.a.says(this.place, this.ruler);
    this.viewer.redraw();
  }

  // Enter begins and ends a measurement, or a box, at the cross.
  mark() {
    if (!["measure", "cover"].includes(this.viewer.tools.chosen) || !this.place) return;
    this.isDrawing = !this.isDrawing;
    this.draw(this.isDrawing ? "start" : "end", this.place);
  }
}
