// What is open, so that it can be opened again: where the reader goes back, and where the server
// has forgotten it.

import { say } from "../page/notice.js";

const LONGEST = 30000; // ms that opening again may take
const LONGEST_MAP = 5000; // ms that others wait for a map

/**
 * @typedef {{ blob?: () => Promise<Blob>, item?: any, example?: number }} Source
 */

export class Opened {
  /**
   * @param {(source: Source) => Promise<void>} open
   * @param {(item: any) => void} onRefused called with the row that stays open, or null
   */
  constructor(open, onRefused) {
    this.open = open;
    this.onRefused = onRefused;
    /** @type {Source | null} */
    this.current = null;
    /** @type {Source | null} asked for; not shown yet */
    this.next = null;
    document.addEventListener("leaving", (event) => this.leave(event));
    document.addEventListener("picture", () => this.arrive());
    document.addEventListener("refused", (event) => this.refuse(/** @type {CustomEvent} */ (event).detail));
  }

  get viewer() {
    return /** @type {any} */ (document.querySelector("#viewer .viewer")).viewer;
  }

  /** @param {Source} source that has been asked for */
  expect(source) {
    this.next = source;
  }

  leave(event) {
    if (this.current) this.before = { source: this.current, settings: event.detail };
  }

  arrive() {
    const { before, next } = this;
    this.current = next ?? this.shownExample;
    this.next = null;
    const isOfList = Boolean(this.current?.item);
    if (!before || isOfList || this.isGoingBack) return;
    say({
      text: "Another X-ray is open.",
      action: { label: "Back to the one before", run: () => this.again(before) },
    });
  }

  // A file that cannot be shown leaves the open one as it was.
  refuse(text) {
    const item = this.next?.item;
    this.next = null;
    this.isGoingBack = false;
    say({ text: item ? `X-ray ${item.number}: ${text}` : text, kind: "bad" });
    this.onRefused(this.current?.item ?? null);
  }

  // What a link has opened.
  get shownExample() {
    const number = new URLSearchParams(location.search).get("example");
    return number ? { example: Number(number) - 1 } : null;
  }

  /** @param {{ source: Source, settings: any }} known */
  async again({ source, settings }) {
    this.isGoingBack = true;
    const { layout, ...display } = settings; // the layout is the reader's, whatever is open
    const shown = new Promise((done) => {
      document.addEventListener("map", done, { once: true });
      setTimeout(done, LONGEST);
    });
    document.addEventListener("picture", () => this.viewer.apply(display), { once: true });
    await this.open(source);
    await shown;
    this.isGoingBack = false;
  }

  // A server that has forgotten everything is sent what is open.
  async restore() {
    const { current } = this;
    if (current) await this.again({ source: current, settings: this.viewer.settings() });
  }
}

// Fulfilled when the viewer shows another map, or should have.
export function nextMap() {
  /** @type {HTMLElement} */
  const viewer = document.querySelector("#viewer .viewer");
  return new Promise((done) => {
    const observer = new MutationObserver(() => viewer.dataset.shown && end());
    const end = () => {
      observer.disconnect();
      done();
    };
    observer.observe(viewer, { attributeFilter: ["data-shown"] });
    setTimeout(end, LONGEST_MAP);
  });
}
