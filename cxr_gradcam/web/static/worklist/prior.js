// The prior beside the open X-ray: of the list, or a file alone.

import { say } from "../page/notice.js";
import { reasonOf, upload } from "./sending.js";

export class Prior {
  /**
   * @param {import("./list.js").List} list
   * @param {(name: string, detail: object) => void} trigger Gradio's
   */
  constructor(list, trigger) {
    this.list = list;
    this.trigger = trigger;
    const viewer = /** @type {HTMLElement} */ (document.querySelector("#viewer .viewer"));
    // It is marked in the list while the viewer shows it.
    new MutationObserver(() => {
      list.markPrior(viewer.dataset.second ? this.wanted?.item : null);
    }).observe(viewer, { attributeFilter: ["data-second"] });
  }

  /**
   * @param {any} item of the list; null for a file alone
   * @param {File} [file]
   */
  async open(item, file) {
    const wanted = (this.wanted = { item });
    try {
      const path = await upload(file ?? (await item.blob()), "prior");
      if (this.wanted === wanted) this.trigger("upload", { path });
    } catch (error) {
      say({ text: `The prior cannot be opened. ${reasonOf(error)}`, kind: "bad" });
    }
  }
}
