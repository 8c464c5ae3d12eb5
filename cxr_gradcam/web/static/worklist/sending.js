// Sends the files to the server, two at a time, and brings their rows.

import { ArchiveError, tooLarge } from "./zip.js";

const IN_FLIGHT = 2;
const ATTEMPTS = 4;

class Busy extends Error {}

export class Sending {
  // onChange: called with an item when its row, error or absence is known, and with nothing at the
  // end; maxBytes: of one file.
  constructor({ maxBytes, onChange }) {
    this.maxBytes = maxBytes;
    this.onChange = onChange;
    this.queue = [];
    this.running = 0;
    this.stopped = false;
    this.model = null; // which answers
    this.done = this.elapsed = 0;
  }

  add(items) {
    this.queue.push(...items);
    this.resume();
  }

  stop() {
    this.stopped = true;
    this.abort?.abort();
  }

  resume() {
    this.stopped = false;
    if (this.abort?.signal.aborted ?? true) this.abort = new AbortController();
    while (this.running < IN_FLIGHT && this.queue.length) this.work();
  }

  clear() {
    this.stop();
    this.queue = [];
    this.done = this.elapsed = 0;
  }

  // Sends nothing more until a promise is fulfilled.
  hold(promise) {
    this.held = promise;
  }

  get isRunning() {
    return this.running > 0;
  }

  // The seconds until all are answered, as far as the last ones tell; null at the start.
  get secondsLeft() {
    if (this.done < 3) return null;
    return ((this.elapsed / this.done) * (this.queue.length + this.running)) / 1000;
  }

  async work() {
    this.running += 1;
    this.since ??= performance.now();
    while (!this.stopped && this.queue.length) {
      await this.answer(this.queue.shift());
      await this.held;
    }
    this.running -= 1;
    if (this.running) return;
    this.since = null;
    this.onChange();
  }

  async answer(item) {
    const { queue } = this; // the list may be cleared meanwhile
    try {
      Object.assign(item, await this.rowOf(item));
    } catch (error) {
      if (error.name === "AbortError") {
        queue.unshift(item);
        return;
      }
      item.error = reasonOf(error);
      item.canRetry = !(error instanceof ArchiveError);
    }
    const now = performance.now();
    this.elapsed += now - this.since;
    this.since = now;
    this.done += 1;
    this.onChange(item);
  }

  async rowOf(item) {
    const blob = await item.blob();
    if (blob.size > this.maxBytes) return { error: tooLarge(this.maxBytes) };
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.post(blob, item.named);
      } catch (error) {
        if (error.name === "AbortError") throw error;
        await blob.slice(0, 1).arrayBuffer(); // throws where the file is gone
        if (attempt === ATTEMPTS && !(error instanceof Busy)) throw error;
        await new Promise((done) => setTimeout(done, 500 * Math.min(attempt, 4)));
      }
    }
  }

  // The body is the file alone: its name stays here.
  async post(blob, named) {
    const query = new URLSearchParams({ model: this.model, named });
    const url = new URL(`worklist/row?${query}`, document.baseURI);
    const { signal } = this.abort;
    const body = new Blob([blob]);
    const response = await fetch(url, { method: "POST", body, signal });
    if (response.status === 503) throw new Busy();
    if (!response.ok && response.status !== 413) throw new Error(`status ${response.status}`);
    const answer = await response.json();
    if (answer.error) return { error: answer.error };
    return answer.skipped ? { skipped: true } : { row: answer };
  }
}

// Uploads a file under another name; gives the path that the server knows it by.
export async function upload(blob, name) {
  const form = new FormData();
  form.append("files", blob, name);
  const url = new URL("gradio_api/upload", document.baseURI);
  const response = await fetch(url, { method: "POST", body: form });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return (await response.json())[0];
}

export function reasonOf(error) {
  if (error instanceof ArchiveError) return error.message;
  if (error.name === "NotReadableError" || error.name === "NotFoundError") {
    return "The file is no longer where it was chosen. Choose it again.";
  }
  return "The server could not be reached, or did not answer. Try again.";
}
