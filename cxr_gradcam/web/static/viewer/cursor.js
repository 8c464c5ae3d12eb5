// The place that the pointer or the arrow keys show, and the line that is measured from there.

export class Cursor {
  /** @param {any} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.readout = viewer.root.querySelector(".readout");
    this.clear();
  }

  // Of another X-ray nothing is measured yet.
  clear() {
    this.place = this.ruler = null;
    this.isMeasuring = false;
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

  measure(phase, pixel) {
    if (phase === "start") this.ruler = { from: pixel, to: pixel };
    else if (this.ruler) this.ruler = { ...this.ruler, to: pixel };
    this.viewer.redraw();
  }

  // An arrow key does what dragging would do; when measuring, it moves the cross.
  arrow(x, y) {
    const { view, windowing, tools, panes } = this.viewer;
    if (tools.chosen === "window") return windowing.dragBy(x / 2, -y / 2);
    if (tools.chosen === "move") return view.panBy(-x / view.zoom, -y / view.zoom);
    const { picture } = panes.a.renderer;
    const from = this.place ?? { x: picture.width * view.x, y: picture.height * view.y };
    const step = (0.2 * picture.width) / view.zoom;
    this.place = { x: from.x + x * step, y: from.y + y * step };
    if (this.isMeasuring) this.ruler = { ...this.ruler, to: this.place };
    this.readout.textContent = panes.a.says(this.place, this.ruler);
    this.viewer.redraw();
  }

  // Enter begins and ends a measurement at the cross.
  mark() {
    if (this.viewer.tools.chosen !== "measure" || !this.place) return;
    this.isMeasuring = !this.isMeasuring;
    if (this.isMeasuring) this.ruler = { from: this.place, to: this.place };
    this.viewer.redraw();
  }
}
