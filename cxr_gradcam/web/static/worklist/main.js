// The worklist: many files, answered one after the other, opened one at a time.

import { csvOf } from "./csv.js";
import { watchField } from "./field.js";
import { gather } from "./collect.js";
import { List } from "./list.js";
import { groupOf } from "./order.js";
import { reasonOf, Sending, upload } from "./sending.js";

const LONGEST_OPENING = 5000; // ms

// element, props, watch and trigger are Gradio's: the component, what component.py told it, news of
// it, and its events.
export function start(element, props, watch, trigger) {
  const worklist = new Worklist(element.querySelector(".worklist"), props, trigger);
  watch("value", () => worklist.ask(props.value));
}

class Worklist {
  constructor(root, props, trigger) {
    Object.assign(this, { root, trigger });
    const { max_files: maxFiles, max_bytes: maxBytes, extensions } = props;
    this.limits = { maxFiles, maxBytes, extensions };
    this.list = new List(root, {
      onOpen: (item) => this.open(item),
      onBeside: (item) => this.openBeside(item),
    });
    this.sending = new Sending({ maxBytes, onChange: (item) => this.changed(item) });
    this.sending.model = props.value;
    watchField({
      onMany: (entries) => this.add(entries),
      onOther: () => this.list.mark(null),
      onPrior: (file) => this.openBeside(null, file),
    });
    const buttons = {
      ...{ previous: () => this.step(-1), next: () => this.step(1), toggle: () => this.toggle() },
      ...{ save: () => this.save(), clear: () => this.clear() },
    };
    for (const [name, action] of Object.entries(buttons)) {
      this[name + "Button"] = this.find(`.${name}`);
      this[name + "Button"].addEventListener("click", action);
    }
    this.names = this.find(".names input");
    this.names.addEventListener("change", () => root.classList.toggle("named", this.names.checked));
    document.addEventListener("keydown", (event) => this.onKey(event));
    this.watchPrior();
    const gallery = document.querySelector("#examples");
    gallery?.addEventListener("click", () => this.list.mark(null));
    this.clear();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  async add(entries) {
    const room = this.limits.maxFiles - this.list.items.length;
    const { files, notes } = await gather(entries, { ...this.limits, maxFiles: room });
    if (!files.length) notes.push("No X-rays were found in it.");
    this.notes.push(...notes);
    const items = files.map((file) => ({ ...file, number: ++this.last }));
    for (const item of items) this.list.place(item);
    this.root.hidden = false;
    document.documentElement.classList.add("has-worklist");
    this.sending.add(items);
    this.show();
    this.say(`${items.length} files are in the worklist.`);
  }

  changed(item) {
    if (item?.skipped) {
      this.skipped += 1;
      this.list.remove(item);
    } else if (item) this.list.place(item);
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.show();
      if (!this.sending.isRunning) this.say(this.find(".state").textContent);
    });
  }

  show() {
    const { items } = this.list;
    const waiting = items.filter((item) => groupOf(item) === "waiting").length;
    const failed = items.filter((item) => item.error).length;
    this.list.showGroups();
    const progress = this.find("progress");
    Object.assign(progress, { max: items.length || 1, value: items.length - waiting });
    progress.hidden = !waiting;
    this.find(".state").textContent = this.state(items.length, waiting, failed);
    this.find(".notes").textContent = [...this.notes, this.skippedWords()].join(" ").trim();
    const { isRunning } = this.sending;
    this.toggleButton.hidden = !isRunning && !waiting && !items.some((item) => item.canRetry);
    this.toggleButton.textContent = isRunning ? "Stop" : waiting ? "Continue" : "Try failed again";
  }

  state(all, waiting, failed) {
    const bad = failed ? `, ${failed} failed` : "";
    if (!waiting) return `${all} done${bad}.`;
    const seconds = this.sending.secondsLeft;
    const left = this.sending.isRunning ? seconds && `, about ${inWords(seconds)} left` : ", stopped";
    return `${all - waiting} of ${all} done${bad}${left || ""}.`;
  }

  skippedWords() {
    if (!this.skipped) return "";
    const [files, are] = this.skipped === 1 ? ["file", "is"] : ["files", "are"];
    return `${this.skipped} ${files} that ${are} no picture left out.`;
  }

  // The file goes before those that wait; it is called by its number.
  async open(item) {
    this.list.mark(item);
    const shown = nextMap();
    this.sending.hold(shown);
    shown.then(() => this.shown(item));
    try {
      this.list.setBusy(item, true);
      const path = await upload(await item.blob(), `${item.number}`);
      if (this.list.current === item) this.trigger("select", { path });
    } catch (error) {
      this.list.setBusy(item, false);
      this.say(`${item.number} cannot be opened. ${reasonOf(error)}`, true);
    }
  }

  // On a narrow screen the answer is below the list.
  shown(item) {
    this.list.setBusy(item, false);
    if (this.list.current !== item || !matchMedia("(max-width: 899px)").matches) return;
    document.querySelector("#answers").scrollIntoView();
  }

  // item: of the list; or null, and a file alone.
  async openBeside(item, file) {
    const wanted = (this.wanted = { item });
    try {
      const path = await upload(file ?? (await item.blob()), "prior");
      if (this.wanted === wanted) this.trigger("upload", { path });
    } catch (error) {
      this.say(`The prior cannot be opened. ${reasonOf(error)}`, true);
    }
  }

  // The prior is marked while the viewer shows it.
  watchPrior() {
    const viewer = document.querySelector("#viewer .viewer");
    new MutationObserver(() => {
      this.list.markPrior(viewer.dataset.second ? this.wanted?.item : null);
    }).observe(viewer, { attributeFilter: ["data-second"] });
  }

  step(by) {
    const item = this.list.neighbour(by);
    if (item) this.open(item);
  }

  onKey(event) {
    const step = { n: 1, p: -1 }[event.key];
    if (!step || this.root.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = 'input:not([type="range"], [type="checkbox"], [type="radio"]), textarea, select';
    if (event.target.closest(`${isTyping}, [contenteditable="true"], [role="listbox"]`)) return;
    event.preventDefault();
    this.step(step);
  }

  toggle() {
    if (this.sending.isRunning) return this.sending.stop();
    this.again(this.list.items.filter((item) => item.canRetry));
  }

  // Asks another model; every file is answered anew.
  ask(model) {
    if (model === this.sending.model) return;
    this.sending.clear();
    this.sending.model = model;
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

  save() {
    const table = csvOf(this.list.items, this.names.checked);
    const link = document.createElement("a");
    // Spreadsheets take a file without this mark for one of their own country's characters.
    link.href = URL.createObjectURL(new Blob(["\ufeff", table], { type: "text/csv" }));
    link.download = "worklist.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  clear() {
    this.sending.clear();
    this.list.clear();
    Object.assign(this, { last: 0, skipped: 0, notes: [] });
    this.root.hidden = true;
    document.documentElement.classList.remove("has-worklist");
  }

  // To screen readers, at the beginning and the end alone; what must be seen, to all.
  say(text, isVisible = false) {
    const status = this.find("[role=status]");
    status.textContent = text;
    status.classList.toggle("unseen", !isVisible);
  }
}

// Fulfilled when the viewer shows another map, or should have.
function nextMap() {
  return new Promise((done) => {
    const observer = new MutationObserver(([{ target }]) => target.dataset.shown && end());
    const end = () => {
      observer.disconnect();
      done();
    };
    const viewer = document.querySelector("#viewer .viewer");
    observer.observe(viewer, { attributeFilter: ["data-shown"] });
    setTimeout(end, LONGEST_OPENING);
  });
}

function inWords(seconds) {
  if (seconds < 100) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.round(seconds / 60)} min`;
}
