// The worklist: many files, answered one after the other, opened one at a time.

import { keepConnection } from "../page/connection.js";
import { addIcons } from "../page/icons.js";
import { say } from "../page/notice.js";
import { gather } from "./collect.js";
import { saveTable } from "./csv.js";
import { watchField } from "./field.js";
import { First } from "./first.js";
import { listenForSteps } from "./keys.js";
import { List } from "./list.js";
import { nextMap, Opened } from "./opened.js";
import { groupOf } from "./order.js";
import { Prior } from "./prior.js";
import { Reload } from "./reload.js";
import { reasonOf, Sending, upload } from "./sending.js";
import { skippedInWords, stateInWords } from "./words.js";

const PAGE = document.documentElement;
const ONE_COLUMN = matchMedia("(max-width: 1099px), (max-height: 559px)");

// element, props, watch and trigger are Gradio's: the component, what component.py told it, news of
// it, and its events.
export function start(element, props, watch, trigger) {
  const worklist = new Worklist(element.querySelector(".worklist"), props, trigger);
  watch("value", () => worklist.ask(props.value));
}

class Worklist {
  /** @type {HTMLButtonElement} */
  toggleButton;
  /** @type {HTMLButtonElement} */
  againButton;
  /** @type {string[]} what is said of files that were left out */
  notes = [];
  last = 0; // number given
  skipped = 0;

  constructor(root, props, trigger) {
    this.root = root;
    this.trigger = trigger;
    const { max_files: maxFiles, max_bytes: maxBytes, extensions } = props;
    this.limits = { maxFiles, maxBytes, extensions };
    addIcons(root);
    this.list = new List(root, {
      onOpen: (item) => this.open(item),
      onBeside: (item) => this.prior.open(item),
    });
    this.first = new First(
      () => this.list.items,
      (item) => this.open(item),
    );
    this.sending = new Sending({ maxBytes, onChange: (item) => this.changed(item) });
    this.sending.model = root.dataset.model = props.value;
    this.prior = new Prior(this.list, trigger);
    this.opened = new Opened(
      (source) => this.openAgain(source),
      (item) => this.stay(item),
    );
    keepConnection(() => this.opened.restore());
    watchField({
      onMany: (entries) => this.add(entries),
      onOne: (file) => this.leaveList({ blob: async () => file }),
      onPrior: (file) => this.prior.open(null, file),
    });
    const buttons = {
      ...{ previous: () => this.step(-1), next: () => this.step(1), toggle: () => this.toggle() },
      ...{ save: () => saveTable(this.list.items, props.columns, this.names.checked), clear: () => this.close(), again: () => this.retry() },
      fold: () => this.fold(true),
    };
    for (const [name, action] of Object.entries(buttons)) {
      this[name + "Button"] = this.find(`.${name}`);
      this[name + "Button"].addEventListener("click", action);
    }
    this.names = this.find(".names input");
    this.names.addEventListener("change", () => {
      root.classList.toggle("named", this.names.checked);
      this.tell();
    });
    listenForSteps(root, (by) => this.step(by));
    document.addEventListener("unfold", () => this.fold(!PAGE.classList.contains("list-folded")));
    document.querySelector("#examples")?.addEventListener("click", (event) => {
      const button = /** @type {Element} */ (event.target).closest("button");
      const example = [...(button?.parentNode.children ?? [])].indexOf(button);
      if (button) this.leaveList({ example });
    });
    this.clear();
    this.reload = new Reload(this);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** Tells the bar that what it says of the list is another. */
  tell() {
    document.dispatchEvent(new CustomEvent("listed"));
  }

  fold(isFolded) {
    PAGE.classList.toggle("list-folded", isFolded);
    this.tell();
  }

  // What was asked for cannot be opened.
  stay(item) {
    if (this.list.current) this.list.setBusy(this.list.current, false);
    this.list.mark(this.list.items.includes(item) ? item : null);
    this.tell();
  }

  // What is opened now is not of the list.
  leaveList(source) {
    this.list.mark(null);
    this.opened.expect(source);
  }

  async add(entries) {
    const room = this.limits.maxFiles - this.list.items.length;
    const { files, notes } = await gather(entries, { ...this.limits, maxFiles: room });
    if (!files.length) notes.push("No X-rays were found in it.");
    this.notes.push(...notes);
    const items = files.map((file) => ({ ...file, number: ++this.last }));
    this.put(items, items);
    this.fold(false);
    this.first.expect(true);
    this.say(`${items.length} files are in the worklist.`);
  }

  // Shows items, and asks about those that wait.
  put(items, waiting) {
    for (const item of items) this.list.place(item);
    this.root.hidden = false;
    PAGE.classList.add("has-worklist");
    this.reload.add(items);
    this.sending.add(waiting);
    this.show();
  }

  changed(item) {
    if (item) this.reload.changed(item);
    if (item?.skipped) {
      this.skipped += 1;
      this.list.remove(item);
    } else if (item) this.list.place(item);
    if (item?.row) this.first.soon();
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.show();
      if (this.sending.isRunning) return;
      this.first.now();
      this.say(this.find(".state").textContent);
    });
  }

  show() {
    const { items } = this.list;
    const waiting = items.filter((item) => groupOf(item) === "waiting").length;
    const failed = items.filter((item) => item.error).length;
    this.list.showGroups();
    const progress = this.find("progress");
    Object.assign(progress, { max: items.length || 1, value: items.length - waiting });
    this.find(".progress").hidden = !waiting;
    const counts = { all: items.length, waiting, failed };
    this.find(".state").textContent = stateInWords(counts, this.sending);
    this.find(".notes").textContent = [...this.notes, skippedInWords(this.skipped)].join(" ").trim();
    this.toggleButton.textContent = this.sending.isRunning ? "Stop" : "Continue";
    this.againButton.hidden = !items.some((item) => item.canRetry);
    this.tell();
  }

  // The file goes before those that wait; it is called by its number.
  async open(item) {
    this.first.expect(false);
    this.list.mark(item);
    this.opened.expect({ blob: item.blob, item });
    const shown = nextMap();
    this.sending.hold(shown);
    shown.then(() => this.shown(item));
    this.list.setBusy(item, true);
    await this.send(item.blob, `${item.number}`, () => this.list.current === item);
    this.tell();
  }

  // In one column the list makes room for what has been opened from it.
  shown(item) {
    this.list.setBusy(item, false);
    if (ONE_COLUMN.matches && this.list.current === item) this.fold(true);
  }

  /**
   * Sends a file that the server then opens.
   * @param {() => Promise<Blob>} blob
   * @param {string} name that the server sees
   * @param {() => boolean} [isWanted] whether nothing else has been opened meanwhile
   */
  async send(blob, name, isWanted = () => true) {
    try {
      const path = await upload(await blob(), name);
      if (isWanted()) this.trigger("select", { path });
    } catch (error) {
      say({ text: `X-ray ${name} cannot be opened. ${reasonOf(error)}`, kind: "bad" });
    }
  }

  async openAgain(source) {
    if (source.item && this.list.items.includes(source.item)) return this.open(source.item);
    if ("example" in source) {
      /** @type {NodeListOf<HTMLElement>} */
      const examples = document.querySelectorAll("#examples button");
      examples[source.example]?.click();
      return;
    }
    this.leaveList(source);
    await this.send(source.blob, "again");
  }

  step(by) {
    const item = this.list.neighbour(by);
    if (item) this.open(item);
  }

  toggle() {
    if (this.sending.isRunning) this.sending.stop();
    else this.sending.resume();
    this.show();
  }

  retry() {
    this.again(this.list.items.filter((item) => item.canRetry));
  }

  // Asks another model; every file is answered anew.
  ask(model) {
    if (model === this.sending.model) return;
    this.sending.clear();
    this.sending.model = this.root.dataset.model = model;
    this.again(this.list.items);
  }

  again(items) {
    for (const item of items) {
      Object.assign(item, { row: null, error: null, canRetry: false });
      this.list.place(item);
    }
    this.sending.add(items);
    this.show();
  }

  // Closing can be undone until something else is said.
  close() {
    const { items, current } = this.list;
    const kept = { items, last: this.last, skipped: this.skipped, notes: this.notes };
    const waiting = items.filter((item) => groupOf(item) === "waiting");
    this.clear();
    const run = () => this.bringBack(kept, current, waiting);
    say({ text: "The worklist is closed.", action: { label: "Undo", run } });
  }

  bringBack({ items, last, skipped, notes }, current, waiting) {
    Object.assign(this, { last, skipped, notes });
    this.put(items, waiting);
    if (current && this.opened.current?.item === current) this.list.mark(current);
  }

  // The list of before a reload.
  restore(items) {
    this.last = Math.max(...items.map(({ number }) => number));
    this.put(items, items.filter((item) => groupOf(item) === "waiting"));
  }

  clear() {
    this.reload?.clear();
    this.sending.clear();
    this.list.clear();
    Object.assign(this, { last: 0, skipped: 0, notes: [] });
    this.first.expect(false);
    this.root.hidden = true;
    PAGE.classList.remove("has-worklist");
    this.tell();
  }

  // To screen readers, at the beginning and the end alone.
  say(text) {
    this.find("[role=status]").textContent = text;
  }
}
