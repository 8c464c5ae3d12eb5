// The toolbar: what dragging does, and the zoom.

const MODES = [
  ["move", "Move", "v"],
  ["window", "Window", "w"],
  ["measure", "Measure", "m"],
];

export class Tools {
  constructor(root, viewer) {
    this.root = root;
    this.modes = root.querySelector(".modes");
    this.chosen = "move";
    for (const [id, name, key] of MODES) this.modes.append(this.mode(id, name, key));
    root.querySelector(".zooms").append(
      button("−", "Zoom out", "-", () => viewer.zoomOut()),
      button("+", "Zoom in", "+", () => viewer.zoomIn()),
      button("Fit", "Whole picture", "0", () => viewer.view.fit()),
      button("1:1", "Pixel by pixel", "1", () => viewer.oneToOne()),
    );
    const smooth = root.querySelector(".smooth");
    smooth.checked = viewer.view.smooth; // Gradio's templates drop the attribute
    smooth.addEventListener("input", () => viewer.toggleSmooth());
    root.querySelector(".keys").addEventListener("click", () => viewer.showKeys());
    this.choose("move");
  }

  mode(id, name, key) {
    const made = button(name, null, key, () => this.choose(id));
    made.setAttribute("role", "radio");
    made.dataset.mode = id;
    return made;
  }

  choose(id) {
    this.chosen = id;
    for (const mode of this.modes.children) {
      mode.setAttribute("aria-checked", mode.dataset.mode === id);
    }
    const cursor = { move: "grab", window: "ns-resize", measure: "crosshair" }[id];
    this.root.style.setProperty("--cursor", cursor);
  }
}

function button(text, label, key, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  if (label) made.setAttribute("aria-label", label);
  made.title = `${label ?? text} (${key})`;
  made.setAttribute("aria-keyshortcuts", key);
  made.addEventListener("click", action);
  return made;
}
