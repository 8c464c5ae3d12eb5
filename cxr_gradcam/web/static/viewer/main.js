// The viewer. The server sends pictures and their maps; all that can be seen of them is drawn here.

import { Cursor } from "./cursor.js";
import { Drawing } from "./drawing.js";
import { HeatDisplay } from "./heat.js";
import { download } from "./download.js";
import { gesturesOn } from "./gestures.js";
import { fillHelp, listen } from "./keyboard.js";
import { Layout } from "./layout.js";
import { LungOutlines } from "./lungs.js";
import { Panels } from "./panels.js";
import { fetchPixels } from "./pixels.js";
import { Pointers } from "./pointer.js";
import { Pane } from "./pane.js";
import { Slow } from "./slow.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";
import { Windowing } from "./windowing.js";

// element, props, watch and trigger are Gradio's: the component, its value and tables, news of
// them, and its events.
export function start(element, props, watch, trigger) {
  const viewer = new Viewer(element.querySelector(".viewer"), props.colormaps);
  // One after the other, in the order in which they came.
  let queue = Promise.resolve();
  const showNext = () => {
    const { value } = props;
    queue = queue.then(() => viewer.show(value)).catch((error) => viewer.fail(error));
  };
  watch("value", showNext);
  showNext();
  const component = /** @type {HTMLElement} */ (document.querySelector("#viewer"));
  new Slow(component, () => {
    // The field names the method again by which the map that stays was made.
    const method = new URLSearchParams(viewer.panes.a.link).get("method");
    trigger("stop", { method });
    viewer.tell("stopped");
  });
}

class Viewer {
  /** @type {{ a: Pane, b?: Pane }} the open X-ray, and what is shown beside it */
  panes = { a: new Pane() };

  constructor(root, colormaps) {
    this.root = root;
    root.viewer = this; // for links, reports and lists of many images
    this.help = root.querySelector(".help");
    this.cursor = new Cursor(this);
    this.drawing = new Drawing(this);
    this.lungs = new LungOutlines(root, () => this.redraw());
    const change = () => this.drawing.change();
    this.view = new View(change);
    this.heat = new HeatDisplay(root, colormaps, change);
    this.windowing = new Windowing(root, change);
    this.layout = new Layout(root, () => this.panels.place());
    this.panels = new Panels(root, this.layout, {
      onResize: () => this.redraw(),
      onDownload: (pane, panel) => download(this, this.panes[pane], panel),
      onCanvas: (pane, canvas) => new Pointers(canvas, gesturesOn(this, pane, canvas)),
    });
    this.tools = new Tools(root, this);
    this.heat.drawScale();
    document.querySelector(".gradio-container").append(this.help); // the viewer may be hidden
    fillHelp(this.help);
    listen(this);
    document.addEventListener("showkeys", () => this.showKeys());
  }

  /**
   * News for the other parts of the page.
   * @param {"leaving" | "refused" | "picture" | "map" | "closed" | "stopped"} name
   * @param {unknown} [detail]
   */
  tell(name, detail) {
    this.root.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  // The sentence on the place stands beside the answer.
  /** @param {string} text */
  say(text) {
    const note = document.querySelector("#place .note");
    if (note && note.textContent !== text) note.textContent = text;
  }

  get isFilled() {
    return Boolean(this.panes.a.renderer.picture);
  }

  // Shows a message of `Viewer.postprocess` in viewer.py.
  async show(message) {
    if (!message) return;
    if (message.refused) return this.tell("refused", message.refused);
    await this.showPane(message);
    if (message.beside) await this.showPane(message.beside);
  }

  async showPane(message) {
    const pane = message.pane ?? "a";
    if (!message.image_id) return this.clear(pane, message.note ?? "");
    // A map of another image than the one shown comes too late: its own image is on the way.
    const known = this.panes[message.same_picture ? "a" : pane];
    if (!message.original && message.image_id !== known?.id) return;
    if (message.original && message.image_id !== this.panes[pane]?.id) {
      await this.showPicture(pane, message);
    }
    if (message.same_picture) this.showAgain(pane, message);
    else if (message.first_caption) this.panels.rows.a.rename(message.first_caption);
    if (message.heatmap) await this.showMap(pane, message);
    else this.dropMap(pane, message.note);
  }

  async showPicture(pane, { image_id: id, original, caption }) {
    const picture = await fetchPixels(original);
    if (pane === "a" && this.isFilled) this.tell("leaving", this.settings());
    if (pane === "a") this.closeSecond(); // the last patient's
    else this.openSecond(pane, caption);
    this.panes[pane] ??= new Pane();
    this.panes[pane].setPicture(id, original, picture);
    this.cursor.clear();
    this.heat.drawScale();
    if (pane === "a") this.frame(original);
  }

  openSecond(pane, caption) {
    if (this.panes[pane]?.isSame) this.closeSecond();
    this.panels.rows.a.rename("");
    this.panels.open(pane, caption);
  }

  // The first picture once more, for another map of it.
  showAgain(pane, { image_id: id, caption, first_caption: firstCaption }) {
    if (!this.panes[pane]?.isSame) {
      this.closeSecond();
      this.panels.open(pane, caption);
      this.panes[pane] = new Pane();
      this.panes[pane].share(this.panes.a);
      this.panels.compare(true);
      this.heat.drawScale();
    }
    this.panels.rows[pane].rename(caption);
    this.panels.rows.a.rename(firstCaption);
  }

  frame(original) {
    this.root.classList.add("filled");
    this.panels.setAspect(original.width / original.height);
    this.view.fit();
    this.windowing.setPicture(original);
    this.tell("picture");
  }

  async showMap(pane, message) {
    await this.panes[pane].fetchMap(message.heatmap);
    this.panes[pane].fileName = message.file_name;
    Object.assign(this.panes[pane], { link: message.link, peak: message.peak });
    this.panes[pane].scale = message.scale;
    this.panes[pane].lungs = message.lungs;
    this.panels.rows[pane].describe(message.shown, message.hottest);
    if (pane === "a") this.say(message.note);
    this.drawing.draw();
    if (pane === "a") this.root.dataset.shown = `${message.image_id} ${message.file_name}`;
    else this.root.dataset[this.panes[pane].isSame ? "compared" : "second"] = `${message.image_id} ${message.file_name}`;
    this.tell("map");
  }

  dropMap(pane, note) {
    this.panes[pane].dropMap();
    this.panels.rows[pane].describe("no heat map");
    if (pane === "a") {
      this.say(note ?? "");
      delete this.root.dataset.shown;
    }
    this.drawing.draw();
  }

  // Better no picture than the last patient's beside this one's prediction.
  clear(pane, note) {
    this.closeSecond();
    if (pane !== "a") return this.redraw();
    this.panes.a = new Pane();
    delete this.root.dataset.shown;
    this.root.classList.remove("filled");
    this.panels.rows.a.clear();
    this.cursor.clear();
    this.say(note);
    this.tell("closed");
  }

  closeSecond() {
    delete this.root.dataset.second;
    delete this.root.dataset.compared;
    this.panels.close("b");
    this.panels.compare(false);
    this.panels.rows.a.rename("");
    delete this.panes.b;
    this.tell("closed");
  }

  fail(error) {
    this.clear("a", `The image cannot be shown (${error.message}). Please open it again.`);
  }

  redraw() {
    this.drawing.redraw();
  }

  // From a share of the panel to the picture's pixels, and to shares of the picture.
  pixelAt(name, place, canvas) {
    const size = this.panels.size(canvas);
    const at = { x: place.x * size.width, y: place.y * size.height };
    return this.view.toPicture(at, this.panes[name].renderer.picture, size);
  }

  shareAt(name, place, canvas) {
    const { width, height } = this.panes[name].renderer.picture;
    const { x, y } = this.pixelAt(name, place, canvas);
    return { x: x / width, y: y / height };
  }

  pan(name, x, y, canvas) {
    const from = this.shareAt(name, { x: 0, y: 0 }, canvas);
    const to = this.shareAt(name, { x, y }, canvas);
    this.view.panBy(to.x - from.x, to.y - from.y);
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

  showKeys() {
    this.help.showModal();
  }

  // What a link keeps of the view: nothing of the picture.
  settings() {
    const { x, y, zoom } = this.view;
    const layout = this.layout.settings;
    return { ...this.heat.settings, window: this.windowing.settings, view: { x, y, zoom }, layout };
  }

  // Takes settings, also a stranger's: what cannot be is left as it is.
  apply({ window, view, layout, ...heat }) {
    this.heat.apply(heat);
    if (layout && typeof layout === "object") this.layout.take(layout);
    if (window && typeof window === "object") this.windowing.apply(window);
    const isPlace = ({ x, y, zoom }) => [x, y, zoom].every(Number.isFinite) && zoom > 0;
    if (view && typeof view === "object" && isPlace(view)) this.view.set(view.x, view.y, view.zoom);
  }
}
