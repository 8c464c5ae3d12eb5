// The outlines of the lungs over the panels, off at first.

export class LungOutlines {
  /**
   * @param {HTMLElement} root
   * @param {() => void} redraw
   */
  constructor(root, redraw) {
    this.redraw = redraw;
    this.box = /** @type {HTMLInputElement} */ (root.querySelector(".lungs"));
    this.box.addEventListener("input", redraw);
  }

  toggle() {
    this.box.checked = !this.box.checked;
    this.redraw();
  }

  /**
   * What is drawn over a pane, in pixels of its picture.
   * @param {any} pane
   * @returns {{ x: number, y: number }[][]}
   */
  of({ lungs, renderer: { picture } }) {
    if (!this.box.checked || !lungs) return [];
    return lungs.map((outline) => outline.map(([x, y]) => ({ x: x * picture.width, y: y * picture.height })));
  }
}
