// The keys of the list, wherever the focus is but in a field that needs them itself.

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
    const by = STEPS[event.key];
    if (!by || list.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/** @type {Element} */ (event.target).closest(TYPING)) return;
    event.preventDefault();
    step(by);
  });
}
