// The keys of the list: from row to row, and from anywhere on the page to the next X-ray.

const STEPS = { n: 1, p: -1 };
const TYPING =
  'input:not([type="range"], [type="checkbox"], [type="radio"]), textarea, select, ' +
  '[contenteditable="true"], [role="listbox"]';

/**
 * @param {HTMLElement} list whose keys count while it is there
 * @param {(by: number) => void} step to the next X-ray (1) or the one before (-1)
 */
export function listenForSteps(list, step) {
  document.addEventListener("keydown", (event) => {
    const isList = event.key === "l";
    const by = STEPS[event.key];
    if (!(by || isList) || list.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/** @type {Element} */ (event.target).closest(TYPING)) return;
    event.preventDefault();
    if (!isList) return step(by);
    const row = /** @type {HTMLElement | null} */ (list.querySelector('li > [tabindex="0"]'));
    row?.focus();
  });
}

/**
 * Makes the rows one stop of the Tab key, within which the arrow keys, Home and End go on.
 * @param {HTMLElement} rows
 */
export function listenForArrows(rows) {
  rows.addEventListener("focusin", ({ target }) => stopAt(rows, rowOf(target)));
  rows.addEventListener("keydown", (event) => {
    const shown = shownIn(rows);
    const at = shown.indexOf(rowOf(event.target));
    const places = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: shown.length - 1 };
    if (!(event.key in places)) return;
    event.preventDefault();
    const next = shown[Math.min(Math.max(places[event.key], 0), shown.length - 1)];
    /** @type {HTMLElement} */ (next.firstChild).focus();
  });
}

/**
 * Gives the rows their stop of the Tab key: the row with the focus, else the open X-ray, else the first.
 * @param {HTMLElement} rows
 */
export function keepStop(rows) {
  const shown = shownIn(rows);
  const focused = shown.find((row) => row.contains(document.activeElement));
  stopAt(rows, focused ?? shown.find((row) => row.querySelector("[aria-current]")) ?? shown[0]);
}

const rowOf = (element) => element.closest("li");
const shownIn = (rows) => [...rows.children].filter((row) => !row.hidden);

function stopAt(rows, stop) {
  for (const row of rows.children) {
    for (const button of row.children) button.tabIndex = row === stop ? 0 : -1;
  }
}
