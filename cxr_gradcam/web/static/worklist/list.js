// The list on the page: one row a file, in the order of urgency, filtered by group; failed files
// stand apart, folded away.

import { keepStop, listenForArrows } from "./keys.js";
import { byUrgency, GROUPS, groupOf } from "./order.js";

const SIGNS = { likely: "●", uncertain: "◐", unlikely: "○" };

export class List {
  /** @type {(item: any) => void} */
  onOpen;
  /** @type {(item: any) => void} */
  onBeside;

  constructor(root, { onOpen, onBeside }) {
    this.rows = root.querySelector(".rows");
    this.filters = root.querySelector(".filters");
    this.failed = root.querySelector(".failed");
    this.failedRows = root.querySelector(".failed-rows");
    this.fold = root.querySelector(".show-failed");
    this.fold.addEventListener("click", () => this.showFailed(this.failedRows.hidden));
    Object.assign(this, { onOpen, onBeside });
    for (const rows of [this.rows, this.failedRows]) listenForArrows(rows);
    this.clear();
  }

  clear() {
    this.items = [];
    this.group = "all";
    this.current = this.prior = null;
    this.rows.replaceChildren();
    this.failedRows.replaceChildren();
    this.failed.hidden = true;
    this.showFailed(false);
    this.filters.replaceChildren();
  }

  // Puts an item where it belongs, new or changed; the row that has the focus keeps it.
  place(item) {
    item.element ??= this.element(item);
    this.fill(item);
    const others = this.items.filter((other) => other !== item);
    const at = others.findIndex((other) => byUrgency(item, other) < 0);
    this.items = others.toSpliced(at < 0 ? others.length : at, 0, item);
    const place = item.error ? this.failedRows : this.rows;
    const next = at < 0 ? null : others[at].element;
    const before = next?.parentNode === place ? next : null;
    if (item.element.parentNode === place && item.element.nextSibling === before) return;
    const hadFocus = item.element.contains(document.activeElement);
    place.insertBefore(item.element, before);
    if (hadFocus) item.element.firstChild.focus({ preventScroll: true });
  }

  remove(item) {
    this.items = this.items.filter((other) => other !== item);
    item.element?.remove();
  }

  element(item) {
    const element = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () => this.onOpen(item));
    element.append(button, this.besideButton(item));
    return element;
  }

  besideButton(item) {
    const beside = document.createElement("button");
    Object.assign(beside, { type: "button", className: "beside", textContent: "Use as prior" });
    beside.setAttribute("aria-label", `Use ${item.number} as prior of the open X-ray`);
    beside.addEventListener("click", () => this.onBeside(item));
    return beside;
  }

  /** Opens or folds the failed files. @param {boolean} isShown */
  showFailed(isShown) {
    this.failedRows.hidden = !isShown;
    this.fold.setAttribute("aria-expanded", String(isShown));
  }

  fill(item) {
    const film = span("film", "");
    if (item.row) film.append(Object.assign(new Image(), { src: item.row.thumbnail, alt: "" }));
    film.append(span("number", item.number));
    const words = document.createElement("span");
    words.className = "words";
    words.append(...this.lines(item).map(([name, text]) => span(name, text)));
    item.element.firstChild.replaceChildren(film, " ", words);
    item.element.dataset.group = groupOf(item);
  }

  lines(item) {
    const { row, error, path } = item;
    const file = ["file", path];
    if (error) return [["answer", "✕ Failed"], ["verdict", error], file];
    if (!row) return [["answer", "Waiting"], file];
    const verdict = row.verdict && `${SIGNS[row.verdict]} ${row.verdict}`;
    if (row.is_familiar === false) {
      return [["answer", "▲ Not reliable"], ["verdict", "Unlike the training X-rays"], file];
    }
    return [["answer", `${row.answer} ${row.percentage}`], ["verdict", verdict ?? ""], file];
  }

  // Offers the groups that there are, with their counts, and hides what is not chosen.
  showGroups() {
    const counts = new Map();
    for (const item of this.items) {
      const group = groupOf(item);
      counts.set(group, (counts.get(group) ?? 0) + 1);
    }
    if (!counts.has(this.group)) this.group = "all";
    const failed = counts.get("failed") ?? 0;
    this.failed.hidden = !failed;
    this.fold.textContent = `✕ ${failed} failed`;
    const there = GROUPS.filter(([name]) => name !== "failed" && counts.has(name));
    const all = ["all", "All", this.items.length - failed];
    const offered = [all, ...there.map(([name, label]) => [name, label, counts.get(name)])];
    this.offer(offered);
    for (const { element, error } of this.items) {
      element.hidden = !error && !this.isShown(element.dataset.group);
    }
    for (const rows of [this.rows, this.failedRows]) keepStop(rows);
  }

  // Buttons stay, so that none loses the focus.
  offer(groups) {
    const known = Object.fromEntries(
      [...this.filters.children].map((button) => [button.dataset.group, button]),
    );
    const buttons = groups.map(([name, label, count]) => {
      const button = known[name] ?? this.filterButton(name);
      button.textContent = `${label} ${count}`;
      button.setAttribute("aria-pressed", String(name === this.group));
      return button;
    });
    for (const button of Object.values(known)) if (!buttons.includes(button)) button.remove();
    buttons.forEach((button, index) => {
      if (this.filters.children[index] !== button) {
        this.filters.insertBefore(button, this.filters.children[index] ?? null);
      }
    });
  }

  filterButton(name) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.group = name;
    button.addEventListener("click", () => {
      this.group = name;
      this.showGroups();
    });
    return button;
  }

  isShown(group) {
    return this.group === "all" || this.group === group;
  }

  mark(item) {
    this.current?.element.firstChild.removeAttribute("aria-current");
    this.current = item;
    if (!item) return;
    item.element.firstChild.setAttribute("aria-current", "true");
    const rows = item.element.parentNode;
    keepStop(rows);
    const [inner, outer] = [item.element, rows].map((each) => each.getBoundingClientRect());
    if (inner.top < outer.top) rows.scrollTop -= outer.top - inner.top;
    else if (inner.bottom > outer.bottom) rows.scrollTop += inner.bottom - outer.bottom;
  }

  markPrior(item) {
    this.prior?.element.lastChild.setAttribute("aria-pressed", "false");
    this.prior = item;
    item?.element.lastChild.setAttribute("aria-pressed", "true");
  }

  // While its file is on the way, the picture that is shown is another.
  setBusy({ element }, isBusy) {
    element.firstChild.setAttribute("aria-busy", String(isBusy));
  }

  // The item before or after the current one, of those that are shown; null at the end.
  neighbour(step) {
    const shown = this.items.filter((item) => !item.element.hidden && !item.error);
    const at = shown.indexOf(this.current);
    if (at < 0) return (step > 0 ? shown[0] : shown.at(-1)) ?? null;
    return shown[at + step] ?? null;
  }
}

function span(name, text) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  return made;
}
