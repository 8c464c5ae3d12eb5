// The page's upload field: several files, folders and archives go to the worklist, a single file
// goes on to the field, dropped or pasted wherever.

import { entriesOf, isArchive } from "./collect.js";

const INPUT = "#upload input[type=file]";
const FOLDER = "#folder input";
const PRIOR = "#choose-prior input";

// onMany: called with the entries; onOther: called when one file goes on to the field; onPrior: with a
// file that is chosen as prior.
export function watchField({ onMany, onOther, onPrior }) {
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
      if (event.target.matches?.(FOLDER)) {
        take(event, [...event.target.files]);
        event.target.value = "";
      }
      if (event.target.matches?.(PRIOR)) {
        onPrior(event.target.files[0]);
        event.target.value = "";
      }
      if (!event.target.matches?.(INPUT)) return;
      const files = [...event.target.files];
      if (isMany(files)) take(event, files);
      else if (files.length) onOther();
    },
    first,
  );
  // Without this, the browser leaves the page for a file that misses the field.
  window.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  window.addEventListener(
    "drop",
    (event) => {
      if (!hasFiles(event)) return;
      const entries = entriesOf(event.dataTransfer);
      const files = [...event.dataTransfer.files];
      leaveField(event);
      if (isMany(files) || entries.some((entry) => entry.isDirectory)) return take(event, entries);
      event.preventDefault();
      event.stopImmediatePropagation();
      putIntoField(files[0]);
    },
    first,
  );
}

function putIntoField(file) {
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

// The field is told that nothing hovers over it any more.
function leaveField({ target }) {
  if (target.closest?.("#upload")) {
    target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
  }
}
