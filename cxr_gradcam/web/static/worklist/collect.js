// What a visitor drops or chooses, as a flat list of files in the order of their names.

import { ArchiveError, filesOf } from "./zip.js";

// What systems and media leave beside pictures; names that begin with a dot are hidden anyway.
const SYSTEM = new Set([
  ...["thumbs.db", "desktop.ini", "dicomdir", "__macosx", "$recycle.bin"],
  ...["system volume information", "lost+found", "@eadir"],
]);

const { compare } = new Intl.Collator("en", { numeric: true });

export function isArchive({ name, type }) {
  return /\.zip$/i.test(name) || /^application\/(x-)?zip/.test(type);
}

// The files and folders of a drop; must be called before the event ends.
export function entriesOf(transfer) {
  return [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile())
    .filter(Boolean);
}

// All files in what was dropped or chosen: {files: [{path, named, blob}], notes}.
//
// entries: of entriesOf, or File objects; limits: {maxFiles, maxBytes, extensions}.
// named: whether somebody meant this very file, so that it must be an X-ray; notes: what is missing.
export async function gather(entries, limits) {
  const found = { files: [], notes: [] };
  for (const entry of entries) await collect(entry, "", found, limits, true);
  found.files = found.files.filter((file) => !file.path.split("/").some(isHidden));
  found.files.sort((one, other) => compare(one.path, other.path));
  if (found.files.length > limits.maxFiles) {
    found.notes.push(
      `A worklist holds ${limits.maxFiles.toLocaleString("en")} files: the first are taken.`,
    );
    found.files.length = limits.maxFiles;
  }
  return found;
}

async function collect(entry, folder, found, limits, isTop) {
  if (found.files.length > 2 * limits.maxFiles) return; // hidden ones are still among them
  if (entry.isDirectory) {
    if (isHidden(entry.name)) return;
    const inside = `${folder}${entry.name}/`;
    for (const child of await childrenOf(entry)) await collect(child, inside, found, limits, false);
    return;
  }
  const file = entry instanceof File ? entry : await fileOf(entry);
  const path = file.webkitRelativePath || folder + file.name;
  if (isTop && isArchive(file)) await unpack(file, found, limits);
  else found.files.push(described(path, async () => file, isTop && path === file.name, limits));
}

async function unpack(file, found, limits) {
  try {
    for (const { name, blob } of await filesOf(file, limits.maxBytes)) {
      found.files.push(described(name, blob, false, limits));
    }
  } catch (error) {
    found.notes.push(error instanceof ArchiveError ? error.message : "The file cannot be read.");
  }
}

function described(path, blob, isNamed, { extensions }) {
  const extension = path.slice(path.lastIndexOf(".")).toLowerCase();
  return { path, blob, named: isNamed || extensions.includes(extension) };
}

function isHidden(name) {
  return /^(\.|~\$)/.test(name) || SYSTEM.has(name.toLowerCase());
}

async function childrenOf(folder) {
  const reader = folder.createReader();
  const children = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return children;
    children.push(...some);
  }
}

function fileOf(entry) {
  return new Promise((done, fail) => entry.file(done, fail));
}
