// Mouse, pen and fingers on a panel.

const WHEEL = 1.0015; // a notch of 100 zooms by 1.16
const DRAWS = ["measure", "cover"];

// target: canZoomOut, tool ("move", "window", "measure" or "cover"), and what is done: hover(place),
// leave(), zoom(factor, place), pan(x, y), window(across, up), draw(phase, place), toggle().
// Places are in CSS pixels of the canvas, from its top left corner.
export class Pointers {
  constructor(canvas, target) {
    this.canvas = canvas;
    this.target = target;
    /** @type {Map<number, { x: number, y: number }>} where mouse, pen and fingers are pressed */
    this.down = new Map();
    /** @type {string | null} */
    this.drag = null;
    const on = (kind, action) => canvas.addEventListener(kind, (event) => action.call(this, event));
    on("pointerdown", this.press);
    on("pointermove", this.move);
    on("pointerup", this.release);
    on("pointercancel", this.release);
    on("pointerleave", () => target.leave());
    on("dblclick", () => target.toggle());
    on("contextmenu", (event) => event.preventDefault()); // the right button sets the window
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    // Two fingers are ours, also where one of them scrolls the page.
    const two = (event) => event.touches.length === 2 && event.preventDefault();
    canvas.addEventListener("touchstart", two, { passive: false });
    canvas.addEventListener("touchmove", two, { passive: false });
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: (event.clientX - box.left) / box.width,
      y: (event.clientY - box.top) / box.height,
    };
  }

  // A wheel that cannot zoom out any further scrolls the page.
  wheel(event) {
    if (event.deltaY > 0 && !event.ctrlKey && !this.target.canZoomOut) return;
    event.preventDefault();
    const notch = event.deltaMode === 1 ? 33 : 1;
    const speed = event.ctrlKey ? 6 : 1; // a pinch on a touchpad comes in small steps
    this.target.zoom(WHEEL ** (-event.deltaY * notch * speed), this.place(event));
  }

  press(event) {
    this.down.set(event.pointerId, this.place(event));
    const tools = { 0: this.target.tool, 1: "move", 2: "window" };
    this.drag = this.down.size === 1 ? tools[event.button] : "pinch";
    if (event.pointerType !== "touch" || this.drag === "pinch" || this.drag !== "move") {
      this.canvas.setPointerCapture(event.pointerId);
    }
    if (DRAWS.includes(this.drag)) this.target.draw("start", this.place(event));
  }

  move(event) {
    const place = this.place(event);
    const before = this.down.get(event.pointerId);
    if (before && this.drag === "pinch") this.pinch(event.pointerId, place);
    else if (before) this.dragTo(before, place);
    if (before) this.down.set(event.pointerId, place);
    this.target.hover(place);
  }

  dragTo(before, place) {
    const [x, y] = [place.x - before.x, place.y - before.y];
    if (this.drag === "window") this.target.window(x, -y);
    else if (DRAWS.includes(this.drag)) this.target.draw("go", place);
    else this.target.pan(x, y);
  }

  pinch(id, place) {
    const [other] = [...this.down].filter(([each]) => each !== id).map(([, at]) => at);
    const before = this.down.get(id);
    if (!other) return;
    const { width, height } = this.canvas.getBoundingClientRect();
    const apart = (at) => Math.hypot((at.x - other.x) * width, (at.y - other.y) * height);
    const middle = { x: (place.x + other.x) / 2, y: (place.y + other.y) / 2 };
    this.target.pan((place.x - before.x) / 2, (place.y - before.y) / 2);
    this.target.zoom(apart(place) / Math.max(apart(before), 1), middle);
  }

  release(event) {
    if (DRAWS.includes(this.drag)) this.target.draw("end", this.place(event));
    this.down.delete(event.pointerId);
    this.drag = null;
  }
}
