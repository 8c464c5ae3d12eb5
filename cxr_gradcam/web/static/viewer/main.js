// The viewer. The server sends a picture and its map; all that can be seen of them is drawn here.

import { bytesOf, fetchPixels } from "./pixels.js";
import { Panels } from "./panels.js";
import { Renderer } from "./renderer.js";
import { greysOf } from "./tables.js";

// element, props and watch are Gradio's: the component, its value and tables, and news of them.
export function start(element, props, watch) {
  const viewer = new Viewer(element, props.tables);
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
  constructor(element, tables) {
    this.root = element.querySelector(".viewer");
    this.note = element.querySelector(".note");
    this.hint = this.note.textContent;
    this.slider = element.querySelector(".opacity input");
    this.opacity = element.querySelector(".opacity b");
    this.chooser = element.querySelector(".colormap select");
    this.scale = element.querySelector(".scale canvas");
    const bytes = Object.entries(tables).map(([name, base64]) => [name, bytesOf(base64)]);
    this.tables = Object.fromEntries(bytes);
    this.renderer = new Renderer(this.tables);
    this.panels = new Panels(this.root, {
      onResize: () => this.redraw(),
      onDownload: (panel) => this.download(panel),
    });
    for (const name of Object.keys(this.tables)) this.chooser.add(new Option(name));
    this.slider.addEventListener("input", () => this.redraw());
    this.chooser.addEventListener("input", () => this.redraw());
    this.drawScale();
  }

  // Shows a message of `Viewer.postprocess` in viewer.py.
  async show(message) {
    if (!message) return;
    if (!message.image_id) return this.clear(message.note || this.hint);
    // A map of another image than the one shown comes too late: its own image is on the way.
    if (!message.original && message.image_id !== this.shown) return;
    if (message.original) await this.showPicture(message);
    if (message.heatmap) await this.showMap(message);
    else this.dropMap(message.note);
  }

  async showPicture({ image_id: id, original }) {
    this.renderer.setPicture(await fetchPixels(original));
    this.greyScale = original;
    this.shown = id;
    this.root.style.setProperty("--aspect", `${original.width} / ${original.height}`);
    this.root.classList.add("filled");
  }

  async showMap(message) {
    this.renderer.setMap(await fetchPixels(message.heatmap));
    this.fileName = message.file_name;
    this.panels.describe(message.shown, message.hottest);
    this.note.textContent = message.note;
    this.draw();
    this.root.dataset.shown = `${message.image_id} ${message.file_name}`;
  }

  dropMap(note) {
    this.renderer.setMap(null);
    this.panels.describe("no heat map");
    this.note.textContent = note ?? "";
    delete this.root.dataset.shown;
    this.draw();
  }

  // Better no picture than the last patient's beside this one's prediction.
  clear(note) {
    this.renderer.picture = this.shown = null;
    delete this.root.dataset.shown;
    this.root.classList.remove("filled");
    for (const canvas of Object.values(this.panels.canvases)) canvas.width = canvas.height = 1;
    this.panels.describe("no X-ray yet");
    this.note.textContent = note;
  }

  fail(error) {
    this.clear(`The image cannot be shown (${error.message}). Please open it again.`);
  }

  // However many events come before the next frame, one drawing is made.
  redraw() {
    this.opacity.textContent = `${this.slider.value} %`;
    this.slider.setAttribute("aria-valuetext", this.opacity.textContent);
    this.pending ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (this.pending) cancelAnimationFrame(this.pending);
    this.pending = null;
    this.drawScale();
    const { picture } = this.renderer;
    if (!picture) return;
    const { width, height } = this.panels.size();
    const scale = Math.min(width / picture.width, height / picture.height);
    const view = { x: picture.width / 2, y: picture.height / 2, scale, smooth: true };
    this.prepare();
    this.renderer.look(view, width, height);
    for (const [panel, canvas] of this.panels.visible()) this.renderer.draw(canvas, panel);
  }

  prepare() {
    const alpha = this.slider.valueAsNumber / 100;
    this.renderer.prepare({
      greys: greysOf(this.greyScale, this.greyScale.windows[0]),
      colormap: this.chooser.value,
      opacityOf: () => alpha,
    });
  }

  drawScale() {
    const image = new ImageData(256, 1);
    const bytes = this.tables[this.chooser.value];
    for (let step = 0; step < 256; step++) {
      image.data.set([...bytes.subarray(3 * step, 3 * step + 3), 255], 4 * step);
    }
    this.scale.getContext("2d").putImageData(image, 0, 0);
  }

  async download(panel) {
    if (!this.renderer.picture) return;
    this.prepare();
    const map = panel === "original" ? [] : [this.fileName, this.chooser.value];
    const share = panel === "overlay" ? [this.slider.value] : [];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await this.renderer.full(panel));
    link.download = ["xray", panel, ...map, ...share].join("-").replaceAll(" ", "-") + ".png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}
