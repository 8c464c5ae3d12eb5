// The keys of the viewer, and the list of them.

const STEP = 0.1;

// Every key, what it is called in the list, and what it does to the viewer.
const KEYS = [
  ["+", "Zoom in", (viewer) => viewer.zoomIn()],
  ["-", "Zoom out", (viewer) => viewer.zoomOut()],
  ["0", "Whole picture", (viewer) => viewer.view.fit()],
  ["1", "One pixel of the picture for each of the screen", (viewer) => viewer.oneToOne()],
  ["v", "Dragging and arrows move the picture", (viewer) => viewer.tools.choose("move")],
  ["w", "Dragging and arrows set the grey scale", (viewer) => viewer.tools.choose("window")],
  ["m", "Dragging measures; arrows and Enter, too", (viewer) => viewer.tools.choose("measure")],
  ["i", "Invert", (viewer) => viewer.windowing.invert()],
  ["r", "Reset the grey scale", (viewer) => viewer.windowing.reset()],
  ["c", "Heat map even, fading, contours", (viewer) => viewer.heat.nextStyle()],
  ["s", "Smooth, or pixel by pixel", (viewer) => viewer.toggleSmooth()],
  ["ArrowLeft", null, (viewer) => viewer.arrow(-STEP, 0)],
  ["ArrowRight", null, (viewer) => viewer.arrow(STEP, 0)],
  ["ArrowUp", null, (viewer) => viewer.arrow(0, -STEP)],
  ["ArrowDown", null, (viewer) => viewer.arrow(0, STEP)],
  ["Enter", null, (viewer) => viewer.mark()],
  ["?", "This list", (viewer) => viewer.showKeys()],
];
const ALIASES = { "=": "+", _: "-" };

// The mouse and fingers, for the list.
const GESTURES = [
  ["Wheel, pinch", "Zoom at the pointer"],
  ["Double click", "Enlarge here, or show the whole"],
  ["Right button", "Drag across for contrast, up for brightness"],
  ["Arrows", "As dragging, while a picture has the focus"],
];

// Keys count while the focus is in the viewer, but not in a field that needs them itself.
export function listen(root, viewer) {
  root.addEventListener("keydown", (event) => {
    const isField = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
    if (isField || event.ctrlKey || event.altKey || event.metaKey) return;
    const onPicture = event.target.tagName === "CANVAS";
    const key = ALIASES[event.key] ?? event.key;
    const found = KEYS.find(([each]) => each === key);
    if (!found || ((key.startsWith("Arrow") || key === "Enter") && !onPicture)) return;
    event.preventDefault();
    if (viewer.isFilled || key === "?") found[2](viewer);
  });
}

export function fillHelp(dialog) {
  const rows = [...KEYS.filter(([, what]) => what), ...GESTURES];
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
