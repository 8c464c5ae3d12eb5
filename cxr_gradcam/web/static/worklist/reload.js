// A reload of the page: the list, what is open, what was asked and how it is shown come back.

import { Kept } from "./kept.js";
import { nextMap } from "./opened.js";

const VIEW = "cxr-gradcam.view"; // in the tab's own store, which ends with it
const MOST = 500e6; // bytes of files that are kept; of those beyond, the rows alone

export class Reload {
  /**
   * @param {any} worklist
   */
  constructor(worklist) {
    this.worklist = worklist;
    this.size = 0;
    this.isClosed = false;
    this.ready = this.start();
  }

  async start() {
    const kept = await Kept.open();
    if (!kept) return null;
    const view = kept.isReload && JSON.parse(sessionStorage.getItem(VIEW) ?? "null");
    if (view) await this.restore(kept, view).catch(() => {});
    // After the map, which is waited for.
    document.addEventListener("picture", () => nextMap().then(() => this.keepOpened(kept)));
    addEventListener("pagehide", () => this.keepView());
    return kept;
  }

  // The files of the list follow one after the other, behind what is known of them. Those of a
  // closed list stay until another begins: closing can be undone.
  async add(items) {
    const kept = await this.ready;
    if (!kept) return;
    const others = items.filter(({ isKept }) => !isKept);
    if (this.isClosed && others.length === items.length) {
      kept.removeAll("file");
      this.size = 0;
    }
    this.isClosed = false;
    for (const item of items) this.keepRow(kept, item);
    for (const item of others) kept.put(`file/${item.number}`, () => this.fitting(item));
  }

  async fitting(item) {
    const blob = await item.blob();
    this.size += blob.size;
    if (this.size > MOST) throw new RangeError("the store is full");
    item.isKept = true;
    return blob;
  }

  async changed(item) {
    const kept = await this.ready;
    if (kept) this.keepRow(kept, item);
  }

  keepRow(kept, { number, path, named, row, error, canRetry, skipped }) {
    const known = { number, path, named, row, error, canRetry, skipped };
    kept.putValue(`row/${number}`, known);
  }

  async clear() {
    this.isClosed = true;
    (await this.ready)?.removeAll("row");
  }

  keepOpened(kept) {
    const { current } = this.worklist.opened;
    if (current?.blob && !current.item) kept.put("open", current.blob);
  }

  // While the page goes there is time for this alone.
  keepView() {
    const { opened, names } = this.worklist;
    const { sharing } = /** @type {any} */ (document.querySelector("#sharing .sharing"));
    const { current } = opened;
    const source = current && { example: current.example, number: current.item?.number };
    const view = { source, query: sharing.link?.search, isNamed: names.checked };
    sessionStorage.setItem(VIEW, JSON.stringify(view));
  }

  async restore(kept, { source, query, isNamed }) {
    const { worklist } = this;
    const found = (await kept.values("row")).filter(({ skipped }) => !skipped);
    const items = found.map((each) => {
      return { ...each, isKept: true, blob: () => kept.get(`file/${each.number}`) };
    });
    if (isNamed) worklist.names.click();
    if (items.length) worklist.restore(items);
    if (!source) return;
    const item = items.find(({ number }) => number === source.number);
    const example = source.example ?? null;
    if (query) document.addEventListener("map", () => ask(query), { once: true });
    // Of a list that was closed, the file is still there.
    const blob = () => kept.get(source.number ? `file/${source.number}` : "open");
    await worklist.openAgain(example === null ? { blob, item } : { example });
  }
}

function ask(query) {
  document.dispatchEvent(new CustomEvent("asklink", { detail: query }));
}
