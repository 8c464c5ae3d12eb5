// The viewer. The server sends pictures and their maps; all that can be seen of them is drawn here.

import { HeatDisplay } from "./heat.js";
import { download } from "./download.js";
import { gesturesOn } from "./gestures.js";
import { fillHelp, listen } from "./keyboard.js";
import { drawMarks } from "./marks.js";
import { Panels } from "./panels.js";
import { fetchPixels } from "./pixels.js";
import { Pointers } from "./pointer.js";
import { Pane } from "./pane.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";
import { Windowing } from "./windowing.js";

// element, props and watch are Gradio's: the component, its value and tables, and news of them.
export function start(element, props, watch) {
  const viewer = new Viewer(element.querySelector(".viewer"), props.colormaps);
  // One after the other, in the order in which they came.
  let queue = Promise.resolve();
  const showNext = () => {
    const { value } = props;
    queue = queue.then(() => viewer.show(value)).catch((error) => viewer.fail(error));
  };
  watch("value", showNext);
  showNext();
}

class Viewer {
  constructor(root, colormaps) {
    Object.assign(this, { root, panes: { a: new Pane() } });
    root.viewer = this; // for links, reports and lists of many images
    this.note = root.querySelector(".note");
    this.readout = root.querySelector(".readout");
    this.help = root.querySelector(".help");
    this.hint = this.note.textContent;
    this.view = new View(() => this.redraw());
    this.heat = new HeatDisplay(root, colormaps, () => this.redraw());
    this.windowing = new Windowing(root, () => this.redraw());
    this.panels = new Panels(root, {
      onResize: () => this.redraw(),
      onDownload: (pane, panel) => download(this, this.panes[pane], panel),
      onCanvas: (pane, canvas) => new Pointers(canvas, gesturesOn(this, pane)),
    });
    this.tools = new Tools(root, this);
    fillHelp(this.help);
    listen(root, this);
  }

  get isFilled() {
    return Boolean(this.panes.a.renderer.picture);
  }

  // Shows a message of `Viewer.postprocess` in viewer.py.
  async show(message) {
    if (!message) return;
    await this.showPane(message);
    if (message.beside) await this.showPane(message.beside);
  }

  async showPane(message) {
    const pane = message.pane ?? "a";
    if (!message.image_id) return this.clear(pane, message.note || this.hint);
    // A map of another image than the one shown comes too late: its own image is on the way.
    const known = this.panes[message.same_picture ? "a" : pane];
    if (!message.original && message.image_id !== known?.id) return;
    if (message.original && message.image_id !== this.panes[pane]?.id) {
      await this.showPicture(pane, message);
    }
    if (message.same_picture) this.showAgain(pane, message);
    if (message.heatmap) await this.showMap(pane, message);
    else this.dropMap(pane, message.note);
  }

  async showPicture(pane, { image_id: id, original, caption }) {
    const picture = await fetchPixels(original);
    if (pane === "a") this.closeSecond(); // the last patient's
    else this.panels.open(pane, caption);
    this.panes[pane] ??= new Pane();
    this.panes[pane].setPicture(id, original, picture);
    this.ruler = this.cursor = null;
    if (pane === "a") this.frame(original);
  }

  // The first picture once more, for another map of it.
  showAgain(pane, { image_id: id, caption, first_caption: firstCaption }) {
    if (!this.panes[pane]?.isSame) {
      this.closeSecond();
      this.panels.open(pane, caption);
      this.panes[pane] = new Pane();
      this.panes[pane].share(this.panes.a);
      this.panels.compare(true);
    }
    this.panels.rows[pane].rename(caption);
    this.panels.rows.a.rename(firstCaption);
  }

  frame(original) {
    this.root.style.setProperty("--aspect", `${original.width} / ${original.height}`);
    this.root.classList.add("filled");
    this.view.fit();
    this.windowing.setPicture(original);
    this.root.dispatchEvent(new CustomEvent("picture", { bubbles: true }));
  }

  async showMap(pane, message) {
    await this.panes[pane].fetchMap(message.heatmap);
    this.panes[pane].fileName = message.file_name;
    this.panes[pane].link = message.link;
    this.panels.rows[pane].describe(message.shown, message.hottest);
    if (pane === "a") this.note.textContent = message.note;
    this.draw();
    if (pane === "a") this.root.dataset.shown = `${message.image_id} ${message.file_name}`;
    else this.root.dataset[this.panes[pane].isSame ? "compared" : "second"] = `${message.image_id} ${message.file_name}`;
    this.root.dispatchEvent(new CustomEvent("map", { bubbles: true }));
  }

  dropMap(pane, note) {
    this.panes[pane].dropMap();
    this.panels.rows[pane].describe("no heat map");
    if (pane === "a") {
      this.note.textContent = note ?? "";
      delete this.root.dataset.shown;
    }
    this.draw();
  }

  // Better no picture than the last patient's beside this one's prediction.
  clear(pane, note) {
    this.closeSecond();
    if (pane !== "a") return this.redraw();
    this.panes.a = new Pane();
    delete this.root.dataset.shown;
    this.root.classList.remove("filled");
    this.panels.rows.a.clear();
    this.readout.textContent = "";
    this.note.textContent = note;
  }

  closeSecond() {
    delete this.root.dataset.second;
    delete this.root.dataset.compared;
    this.panels.close("b");
    this.panels.compare(false);
    this.panels.rows.a.rename("");
    delete this.panes.b;
    this.root.dispatchEvent(new CustomEvent("closed", { bubbles: true }));
  }

  fail(error) {
    this.clear("a", `The image cannot be shown (${error.message}). Please open it again.`);
  }

  // However many events come before the next frame, one drawing is made.
  redraw() {
    this.pending ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (this.pending) cancelAnimationFrame(this.pending);
    this.pending = null;
    if (!this.isFilled) return;
    const size = this.panels.size();
    this.view.limit(this.panes.a.renderer.picture, size);
    const zoomed = !this.view.fits || this.tools.chosen !== "move";
    this.root.style.setProperty("--touch", zoomed ? "none" : "pan-y");
    for (const [name, pane] of Object.entries(this.panes)) this.drawPane(name, pane, size);
  }

  drawPane(name, pane, size) {
    const { renderer } = pane;
    const row = this.panels.rows[name];
    if (!renderer.picture || !row) return;
    renderer.look(this.view.of(renderer.picture, size), size);
    const paint = this.paint(pane, size.ratio);
    for (const [panel, canvas, marks] of row.visible()) {
      renderer.draw(canvas, panel, paint);
      this.drawMarks(marks, pane, size);
    }
  }

  // The tables that a pane's panels are painted with.
  paint(pane, ratio = 1) {
    const lineWidth = this.heat.contours ? Math.max(1, Math.round(1.5 * ratio)) : 0;
    return { ...this.heat.tables(), greys: this.windowing.greys(pane.greyScale), lineWidth };
  }

  drawMarks(svg, pane, size) {
    const { picture } = pane.renderer;
    const css = { width: size.width / size.ratio, height: size.height / size.ratio };
    drawMarks(svg, css, {
      greyScale: pane.greyScale,
      toPanel: (place) => this.view.toPanel(place, picture, css),
      scale: this.view.scale(picture, css),
      ruler: this.ruler,
      cursor: this.cursor,
    });
  }

  // From a share of the panel to the picture's pixels, and to shares of the picture.
  pixelAt(name, place) {
    const size = this.panels.size();
    const at = { x: place.x * size.width, y: place.y * size.height };
    return this.view.toPicture(at, this.panes[name].renderer.picture, size);
  }

  shareAt(name, place) {
    const { width, height } = this.panes[name].renderer.picture;
    const { x, y } = this.pixelAt(name, place);
    return { x: x / width, y: y / height };
  }

  pan(name, x, y) {
    const from = this.shareAt(name, { x: 0, y: 0 });
    const to = this.shareAt(name, { x, y });
    this.view.panBy(to.x - from.x, to.y - from.y);
  }

  measure(phase, pixel) {
    if (phase === "start") this.ruler = { from: pixel, to: pixel };
    else if (this.ruler) this.ruler = { ...this.ruler, to: pixel };
    this.redraw();
  }

  pointAt(name, place) {
    const pane = this.panes[name];
    const pixel = place && this.pixelAt(name, place);
    this.cursor = pixel && pane.renderer.contains(pixel) ? pixel : null;
    this.readout.textContent = this.cursor ? pane.says(this.cursor, this.ruler) : "";
    this.redraw();
  }

  zoomIn() {
    this.view.zoomBy(1.5);
  }

  zoomOut() {
    this.view.zoomBy(1 / 1.5);
  }

  oneToOne() {
    if (this.isFilled) this.view.oneToOne(this.panes.a.renderer.picture, this.panels.size());
  }

  toggleSmooth() {
    this.view.smooth = !this.view.smooth;
    this.root.querySelector(".smooth").checked = this.view.smooth;
    this.redraw();
  }

  // An arrow key does what dragging would do; when measuring, it moves the cross.
  arrow(x, y) {
    if (this.tools.chosen === "window") return this.windowing.dragBy(x / 2, -y / 2);
    const { picture } = this.panes.a.renderer;
    if (this.tools.chosen === "move") return this.view.panBy(-x / this.view.zoom, -y / this.view.zoom);
    const from = this.cursor ?? { x: picture.width * this.view.x, y: picture.height * this.view.y };
    const step = (0.2 * picture.width) / this.view.zoom;
    this.cursor = { x: from.x + x * step, y: from.y + y * step };
    if (this.measuring) this.ruler = { ...this.ruler, to: this.cursor };
    this.readout.textContent = this.panes.a.says(this.cursor, this.ruler);
    this.redraw();
  }

  // Enter begins and ends a measurement at the cross.
  mark() {
    if (this.tools.chosen !== "measure" || !this.cursor) return;
    this.measuring = !this.measuring;
    if (this.measuring) this.ruler = { from: this.cursor, to: this.cursor };
    this.redraw();
  }

  showKeys() {
    this.help.showModal();
  }

  // What a link keeps of the view: nothing of the picture.
  settings() {
    const { x, y, zoom } = this.view;
    return { ...this.heat.settings, window: this.windowing.settings, view: { x, y, zoom } };
  }

  // Takes settings, also a stranger's: what cannot be is left as it is.
  apply({ window, view, ...heat }) {
    this.heat.apply(heat);
    if (window && typeof window === "object") this.windowing.apply(window);
    const isPlace = ({ x, y, zoom }) => [x, y, zoom].every(Number.isFinite) && zoom > 0;
    if (view && typeof view === "object" && isPlace(view)) this.view.set(view.x, view.y, view.zoom);
  }

  // The three panels as they are on the screen, as PNG, `width` pixels wide.
  async panelsAsPng(width, pane = "a") {
    const { renderer } = this.panes[pane];
    const shown = this.panels.size();
    const size = { width, height: Math.round((width * shown.height) / shown.width) };
    const paint = this.paint(this.panes[pane], width / (shown.width / shown.ratio));
    const made = await renderer.pictures(this.view.of(renderer.picture, size), size, paint);
    this.redraw();
    return made;
  }
}
