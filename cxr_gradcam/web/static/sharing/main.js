// A link shares the view: the question and the display, never the image.

import { copy } from "./clipboard.js";
import { displayFor, displayQuery } from "./query.js";
import { say } from "../page/notice.js";

const SPACES = "https://huggingface.co";
const COPIED_SETTINGS =
  "Link copied: the settings alone, without the X-ray. Whoever opens it opens the X-ray themselves.";

// element, props, watch and trigger are Gradio's: the component, what component.py told it, news of
// it, and its events.
export function start(element, props, watch, trigger) {
  const sharing = new Sharing(element.querySelector(".sharing"), props.display, trigger);
  watch("value", () => sharing.told(props.value));
  const names = [...new URLSearchParams(location.search).keys()];
  if (names.some((name) => props.parameters.includes(name))) sharing.open();
}

class Sharing {
  /** @type {Record<string, string>} of the display, by the names of the viewer's settings */
  parameters;
  /** @type {(name: string, detail: object) => void} Gradio's */
  trigger;

  constructor(root, parameters, trigger) {
    Object.assign(this, { root, parameters, trigger });
    root.sharing = this; // for a reload of the page
    this.byHand = root.querySelector(".by-hand");
    this.field = this.byHand.querySelector("input");
    document.querySelector(".gradio-container").append(this.byHand); // its own place is not shown
    document.addEventListener("copylink", () => this.copy());
    document.addEventListener("asklink", (event) => this.ask(/** @type {CustomEvent} */ (event).detail));
    document.addEventListener("picture", () => this.showDisplay());
    document.addEventListener("map", () => this.askMore());
  }

  get viewer() {
    return document.querySelector("#viewer .viewer").viewer;
  }

  get windows() {
    return this.viewer.panes.a.greyScale.windows;
  }

  // Asks the server what of the page's address can be given.
  open() {
    this.ask(location.search);
  }

  ask(query) {
    this.trigger("select", { query });
  }

  told(link) {
    if (!link) return;
    this.say(link.note);
    this.guide(link);
    // Somebody was quicker: the X-ray came without the link's question.
    if (this.viewer?.isFilled && !link.is_open) return this.open();
    Object.assign(this, { display: link.display, method: link.method, compare: link.compare });
    if (link.is_open) this.showDisplay();
  }

  // A link to somebody's own X-ray holds the settings alone.
  guide({ example, note, is_open: isOpen }) {
    if (isOpen || Number.isInteger(example)) return;
    const hint = "This link holds settings, not the X-ray: open the X-ray, and they are used.";
    say({ text: [note, hint].filter(Boolean).join(" "), stays: true });
  }

  // The first picture is shown as the link says; those after it, as ever.
  showDisplay() {
    if (!this.display) return;
    const { settings, note } = displayFor(this.display, this.windows);
    this.display = null;
    this.viewer.apply(settings);
    if (note) this.say(note);
  }

  // What waits until the first answer is shown: a slow method, then a second answer beside it.
  askMore() {
    const { method, compare } = this;
    this.method = null;
    if (method) return this.trigger("submit", { method });
    this.compare = null;
    if (compare) document.dispatchEvent(new CustomEvent("compare", { detail: compare }));
  }

  get link() {
    const { panes } = this.viewer;
    if (!panes.a.link) return null;
    const asked = panes.b?.isSame ? `${panes.a.link}&${panes.b.link}` : panes.a.link;
    const display = displayQuery(this.viewer.settings(), this.windows, this.parameters);
    return new URL(`?${asked}&${display}`, location.origin + location.pathname);
  }

  async copy() {
    const { link } = this;
    if (!link) return this.say("A link can be copied when the heat map is shown.");
    this.field.value = link.href;
    const isCopied = await copy(link.href);
    const isExample = link.searchParams.has("example");
    if (!isCopied) this.byHand.showModal();
    if (!isCopied) this.field.select();
    else this.say(isExample ? "Link copied." : COPIED_SETTINGS);
    showOutside(link.search);
  }

  say(text) {
    if (text) say({ text });
  }
}

// A Space's own page, around this one, takes the query into its address; the browser keeps the
// message from any other.
function showOutside(queryString) {
  if (window.parent !== window) window.parent.postMessage({ queryString }, SPACES);
}
