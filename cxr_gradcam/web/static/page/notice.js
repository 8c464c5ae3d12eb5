// The one place for what the page has to say: what failed, what can be undone, whether the server
// answers.

const SECONDS = 12;

/**
 * @typedef {object} Said
 * @property {string} text
 * @property {"info" | "bad"} [kind] "bad" stays until it is closed
 * @property {{ label: string, run: () => void }} [action]
 * @property {boolean} [stays] until it is closed or another takes its place
 */

class Notice {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.words = /** @type {HTMLElement} */ (root.querySelector("[role=status]"));
    this.button = /** @type {HTMLButtonElement} */ (root.querySelector(".act"));
    root.querySelector(".dismiss")?.addEventListener("click", () => this.clear());
    this.button.addEventListener("click", () => {
      const run = this.run;
      this.clear();
      run?.();
    });
  }

  /** @param {Said} said */
  say({ text, kind = "info", action, stays = false }) {
    clearTimeout(this.timer);
    this.root.hidden = false;
    this.root.dataset.kind = kind;
    this.words.textContent = text;
    this.run = action?.run;
    this.button.hidden = !action;
    this.button.textContent = action?.label ?? "";
    if (kind !== "bad" && !stays) this.timer = setTimeout(() => this.clear(), 1000 * SECONDS);
  }

  clear() {
    clearTimeout(this.timer);
    if (this.root.contains(document.activeElement)) {
      /** @type {HTMLElement | null} */ (document.querySelector(".actions .open"))?.focus();
    }
    this.root.hidden = true;
    this.words.textContent = "";
  }
}

/** @type {Notice | undefined} */
let notice;

/** @param {HTMLElement} root */
export function startNotice(root) {
  notice = new Notice(root);
  document.addEventListener("say", (event) => {
    notice?.say(/** @type {CustomEvent<Said>} */ (event).detail);
  });
  // What could not be opened is no news any more.
  document.addEventListener("picture", () => root.dataset.kind === "bad" && notice?.clear());
}

/**
 * Says something; modules of other components dispatch the same event.
 * @param {Said} said
 */
export function say(said) {
  document.dispatchEvent(new CustomEvent("say", { detail: said }));
}
