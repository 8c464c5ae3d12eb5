// The page's upload field: several files, folders and archives go to the worklist, a single file
// goes on to the field, dropped or pasted wherever.

import { entriesOf, isArchive } from "./collect.js";

const INPUT = "#upload input[type=file]";
const FOLDER = "#folder";
const PRIOR = "#choose-prior";
const PAGE = document.documentElement;

/**
 * @param {object} told
 * @param {(entries: any[]) => void} told.onMany called with what becomes a worklist
 * @param {(file: File) => void} told.onOne called when one file goes on to the field
 * @param {(file: File) => void} told.onPrior called with a file that is chosen as prior
 */
export function watchField({ onMany, onOne, onPrior }) {
  const take = (event, entries) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    onMany(entries);
  };
  // Before Gradio's own listeners.
  const first = { capture: true };
  window.addEventListener(
    "change",
    (event) => {
      const field = /** @type {HTMLInputElement} */ (event.target);
      const files = [...(field.files ?? [])];
      if (field.matches?.(FOLDER)) {
        take(event, files);
        field.value = "";
      }
      if (field.matches?.(PRIOR)) {
        onPrior(files[0]);
        field.value = "";
      }
      if (!field.matches?.(INPUT)) return;
      if (isMany(files)) take(event, files);
      else if (files.length) onOne(files[0]);
    },
    first,
  );
  // Without this, the browser leaves the page for a file that misses the field.
  window.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    PAGE.classList.add("is-dragging");
  });
  const leave = (event) => !event.relatedTarget && PAGE.classList.remove("is-dragging");
  window.addEventListener("dragleave", leave);
  window.addEventListener(
    "drop",
    (event) => {
      PAGE.classList.remove("is-dragging");
      if (!hasFiles(event)) return;
      const entries = entriesOf(event.dataTransfer);
      const files = [...event.dataTransfer.files];
      if (isMany(files) || entries.some((entry) => entry.isDirectory)) return take(event, entries);
      event.preventDefault();
      event.stopImmediatePropagation();
      putIntoField(files[0]);
    },
    first,
  );
}

function putIntoField(file) {
  /** @type {HTMLInputElement | null} */
  const input = document.querySelector(INPUT);
  if (!input) return; // the one before is on its way
  const transfer = new DataTransfer();
  transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

function isMany(files) {
  return files.length > 1 || files.some(isArchive);
}

function hasFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}
