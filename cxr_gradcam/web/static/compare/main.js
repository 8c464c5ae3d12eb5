// Which other answer is set beside the one shown: of another finding, method or model.

// element, props and trigger are Gradio's: the component, what component.py told it, its events.
export function start(element, props, trigger) {
  new Compare(element.querySelector(".compare"), props, trigger);
}

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
    const wanted = new URLSearchParams(b?.isSame ? b.link : "").get("compare") ?? "";
    this.offer(new URLSearchParams(a.link));
    this.chooser.value = wanted;
    this.stopper.hidden = !wanted;
    const other = this.chooser.selectedOptions[0]?.label;
    const said = wanted ? `Comparing with ${other}. ${this.scaleInWords}` : "";
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
    );
  }
}

function group(label, kind, entries, own) {
  const others = entries.filter(([name]) => name !== own);
  if (!others.length) return [];
  const made = document.createElement("optgroup");
  made.label = label;
  made.append(...others.map(([name, text]) => new Option(text, `${kind}:${name}`)));
  return [made];
}
