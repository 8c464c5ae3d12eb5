// A slow method at work: how long it still takes, and the button that stops it.

import { inWords } from "../page/duration.js";

const LEAST = 0.02; // of the work, before its speed can be told

export class Slow {
  /**
   * @param {HTMLElement} element Gradio's component, in which Gradio shows how far the work is
   * @param {() => void} onStop
   */
  constructor(element, onStop) {
    this.element = element;
    this.root = /** @type {HTMLElement} */ (element.querySelector(".slow"));
    this.words = /** @type {HTMLElement} */ (this.root.querySelector("p"));
    this.root.querySelector("button")?.addEventListener("click", () => {
      this.words.textContent = "Stopping …";
      onStop();
    });
    const news = { subtree: true, childList: true, attributeFilter: ["aria-valuenow"] };
    new MutationObserver(() => this.show()).observe(element, news);
  }

  show() {
    const bar = this.element.querySelector("[role=progressbar]");
    if (this.root.hidden !== !bar) this.root.hidden = !bar;
    if (!bar) this.began = null;
    else this.tell(Number(bar.getAttribute("aria-valuenow")) / 100);
  }

  /** @param {number} share of the work that is done */
  tell(share) {
    if (share === this.began?.last) return;
    this.root.style.setProperty("--share", `${100 * share}%`);
    const now = performance.now();
    this.began ??= { now, share };
    this.began.last = share;
    this.words.textContent = leftInWords(share - this.began.share, share, now - this.began.now);
  }
}

/**
 * @param {number} done the share of the work that was done in the time
 * @param {number} share that is done in all
 * @param {number} time in ms
 */
export function leftInWords(done, share, time) {
  const percent = `${Math.round(100 * share)} %`;
  if (done < LEAST) return percent;
  return `${percent}, about ${inWords(((time / done) * (1 - share)) / 1000)} left`;
}
