// Which other answer is set beside the one shown: of another finding, method or model; or of this X-ray,
// with a place covered or changed a little.

// element, props and trigger are Gradio's: the component, what component.py told it, its events.
export function start(element, props, trigger) {
  new Compare(element.querySelector(".compare"), props, trigger);
}

const PLACES = [
  ["hottest", "The hottest place"],
  ["outside-lungs", "Everything but the lungs"],
];

// What a check can show and what not, as measured; see docs/trust.md.
/** @type {Record<string, string>} */
const WORTH = {
  cover:
    "If the answer stays, the place was not why. On synthetic X-rays covering the true opacity brings " +
    "65 % to 6 % (2 % if there had been none), the same place of the other side 65 % to 63 %; " +
    "of real ones nobody knows.",
  changes: "Steady does not mean right.",
};

class Compare {
  /** @type {Record<string, string[]>} class names of each model */
  classes;
  /** @type {Record<string, string>} words for each method */
  methods;
  /** @type {(name: string, detail: object) => void} Gradio's */
  trigger;

  constructor(root, { classes, methods }, trigger) {
    Object.assign(this, { root, classes, methods, trigger });
    this.chooser = root.querySelector("select");
    this.stopper = root.querySelector("button");
    this.status = root.querySelector("[role=status]");
    this.chooser.addEventListener("change", () => this.ask(this.chooser.value));
    this.stopper.addEventListener("click", () => this.stop());
    for (const event of ["map", "closed", "stopped"]) {
      document.addEventListener(event, () => this.show());
    }
    document.addEventListener("compare", (event) => this.ask(/** @type {CustomEvent} */ (event).detail));
  }

  get panes() {
    return document.querySelector("#viewer .viewer").viewer.panes;
  }

  ask(wanted) {
    this.trigger("select", { wanted });
  }

  stop() {
    this.chooser.focus(); // the button goes
    this.ask("");
  }

  // Offers what differs from the answer that is shown, and says what is beside it.
  show() {
    const { a, b } = this.panes;
    if (!a.link) return;
    const wanted = new URLSearchParams(b?.link ?? "").get("compare") ?? "";
    this.offer(new URLSearchParams(a.link));
    this.offerPlace(wanted);
    this.chooser.value = wanted;
    this.stopper.hidden = !wanted;
    const other = this.chooser.selectedOptions[0]?.label;
    const kind = wanted.split(":")[0];
    const words = [`Comparing with ${other}.`, WORTH[kind], this.scaleInWords];
    const said = wanted ? words.filter(Boolean).join(" ") : "";
    if (this.status.textContent !== said) this.status.textContent = said;
  }

  get scaleInWords() {
    const { viewer } = document.querySelector("#viewer .viewer");
    return viewer.drawing.isOneScale
      ? "Both maps have one colour scale: 100 % is the stronger one's maximum."
      : "Each map has its own colour scale: red in one is not as strong as red in the other.";
  }

  offer(shown) {
    const offered = [shown.get("model"), shown.get("class"), shown.get("method")];
    if (offered.join("\n") === this.offered) return;
    this.offered = offered.join("\n");
    const [model, ownClass, ownMethod] = offered;
    const classes = this.classes[model].map((name) => [name, name]);
    const models = Object.keys(this.classes).map((name) => [name, name]);
    this.chooser.replaceChildren(
      new Option("Nothing", ""),
      ...group("Another finding", "class", classes, ownClass),
      ...group("Another method", "method", Object.entries(this.methods), ownMethod),
      ...group("Another model", "model", models, model),
      ...group("This X-ray with a place covered", "cover", PLACES),
      ...group("This X-ray, changed a little", "changes", [["mean", "Mean map of 16 small changes"]]),
    );
  }

  // A place that was drawn stands in the list as long as it is shown.
  offerPlace(wanted) {
    this.chooser.querySelector(".drawn")?.remove();
    if (!/^cover:\d/.test(wanted)) return;
    const drawn = new Option("The marked place", wanted);
    drawn.className = "drawn";
    this.chooser.querySelector('[value="cover:hottest"]').after(drawn);
  }
}

function group(label, kind, entries, own = null) {
  const others = entries.filter(([name]) => name !== own);
  if (!others.length) return [];
  const made = document.createElement("optgroup");
  made.label = label;
  made.append(...others.map(([name, text]) => new Option(text, `${kind}:${name}`)));
  return [made];
}
