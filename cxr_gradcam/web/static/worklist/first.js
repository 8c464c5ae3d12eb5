// The first row that needs eyes opens by itself, unless the reader is quicker.

const AFTER = 1500; // ms: by then something that needs eyes has mostly been answered

export class First {
  /**
   * @param {() => any[]} items of the list, in the order of urgency
   * @param {(item: any) => void} open
   */
  constructor(items, open) {
    this.items = items;
    this.open = open;
    this.isAwaited = false;
    /** @type {number | undefined} */
    this.timer = undefined;
  }

  expect(isAwaited) {
    this.isAwaited = isAwaited;
  }

  soon() {
    if (this.isAwaited) this.timer ??= window.setTimeout(() => this.now(), AFTER);
  }

  now() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.isAwaited) return;
    this.isAwaited = false;
    const first = this.items().find(({ row }) => row);
    if (first) this.open(first);
  }
}
