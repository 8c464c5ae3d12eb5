// The keys of the viewer, and the list of them.

const STEP = 0.1;

/**
 * Every key, what it is called in the list, and what it does to the viewer.
 * @type {[string, string | null, (viewer: any) => void][]}
 */
const KEYS = [
  ["+", "Zoom in", (viewer) => viewer.zoomIn()],
  ["-", "Zoom out", (viewer) => viewer.zoomOut()],
  ["0", "Whole X-ray", (viewer) => viewer.view.fit()],
  ["1", "One pixel of the X-ray for each of the screen", (viewer) => viewer.oneToOne()],
  ["v", "Dragging and arrows move the X-ray", (viewer) => viewer.tools.choose("move")],
  ["w", "Dragging and arrows set the window", (viewer) => viewer.tools.choose("window")],
  ["m", "Dragging measures; arrows and Enter, too", (viewer) => viewer.tools.choose("measure")],
  ["k", "Dragging covers a place; arrows and Enter, too", (viewer) => viewer.tools.choose("cover")],
  ["o", "Outline of the lungs, or none", (viewer) => viewer.lungs.toggle()],
  ["h", "Hide the heat map, or show it", (viewer) => viewer.heat.toggle()],
  ["i", "Invert", (viewer) => viewer.windowing.invert()],
  ["r", "Reset the window", (viewer) => viewer.windowing.reset()],
  ["c", "Heat map uniform, fading, contours", (viewer) => viewer.heat.nextStyle()],
  ["s", "Smooth, or pixel by pixel", (viewer) => viewer.toggleSmooth()],
  ["ArrowLeft", null, (viewer) => viewer.cursor.arrow(-STEP, 0)],
  ["ArrowRight", null, (viewer) => viewer.cursor.arrow(STEP, 0)],
  ["ArrowUp", null, (viewer) => viewer.cursor.arrow(0, -STEP)],
  ["ArrowDown", null, (viewer) => viewer.cursor.arrow(0, STEP)],
  ["Enter", null, (viewer) => viewer.cursor.mark()],
  ["e", "Evidence for the next class", () => nextClass()],
  ["b", "Compare with another answer", () => focusComparison()],
  ["f", "Hide what stands beside the panels, or show it", () => foldRails()],
  ["?", "This list", (viewer) => viewer.showKeys()],
];
const ALIASES = { "=": "+", _: "-" };
const WITHOUT_X_RAY = ["?", "f"];

// Keys of the other parts of the page, the mouse and fingers, for the list.
const OTHERS = [
  ["n", "Next X-ray of the worklist"],
  ["p", "Previous X-ray of the worklist"],
  ["l", "To the worklist; there Up, Down, Home and End go from row to row"],
  ["Wheel, pinch", "Zoom at the pointer"],
  ["Double click", "Make the panel the large one, or show it alone"],
  ["Right button", "Drag across for contrast, up for brightness"],
  ["Arrows", "As dragging, while an X-ray has the focus"],
];

const TYPING = "input:not([type=checkbox], [type=radio], [type=range]), select, textarea, dialog";

/**
 * Keys count everywhere on the page, but not in a field that needs them itself.
 * @param {any} viewer
 */
export function listen(viewer) {
  document.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (target.closest(`${TYPING}, [contenteditable=true], [role=listbox]`)) return;
    const key = ALIASES[event.key] ?? event.key;
    const found = KEYS.find(([each]) => each === key);
    const needsPicture = key.startsWith("Arrow") || key === "Enter";
    if (!found || (needsPicture && target.tagName !== "CANVAS")) return;
    event.preventDefault();
    if (viewer.isFilled || WITHOUT_X_RAY.includes(key)) found[2](viewer);
  });
}

// Of a few classes the next one; of many the field, to be searched.
function nextClass() {
  /** @type {NodeListOf<HTMLInputElement>} */
  const found = document.querySelectorAll("#class input[type=radio]");
  const radios = [...found];
  const at = radios.findIndex((each) => each.checked);
  if (radios.length) radios[(at + 1) % radios.length].click();
  else /** @type {HTMLElement | null} */ (document.querySelector("#class input"))?.focus();
}

function focusComparison() {
  document.documentElement.classList.remove("no-rails");
  /** @type {HTMLElement | null} */ (document.querySelector("#compare select"))?.focus();
}

function foldRails() {
  document.documentElement.classList.toggle("no-rails");
}

export function fillHelp(dialog) {
  const rows = [...KEYS.filter(([, what]) => what), ...OTHERS];
  const list = document.createElement("dl");
  for (const [key, what] of rows) {
    const term = document.createElement("dt");
    const kbd = document.createElement("kbd");
    kbd.textContent = key;
    term.append(kbd);
    const said = document.createElement("dd");
    said.textContent = what;
    list.append(term, said);
  }
  const title = document.createElement("h2");
  title.textContent = "Keys";
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(title, list, close);
}
