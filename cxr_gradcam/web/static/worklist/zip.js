// ZIP archives, unpacked in the browser file by file: APPNOTE.TXT of PKWARE, 4.3 and 4.5.3.

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const ENTRY = 0x02014b50;
const [LONGEST_COMMENT, END_SIZE, LOCATOR_SIZE, END_64_SIZE] = [0xffff, 22, 20, 56];
const [STORED, DEFLATED] = [0, 8];
const MAX_RATIO = 200; // DICOM files with much black come to 30
const MAX_DIRECTORY = 64 * 2 ** 20;

export class ArchiveError extends Error {}

const DAMAGED = "The file is damaged in its ZIP archive. Make the archive again.";

// The files of an archive: {name, blob}; blob unpacks one and gives it as a Blob.
export async function filesOf(archive, maxBytes) {
  const entries = await directory(archive);
  const packed = sum(entries.map((entry) => entry.packed));
  const size = sum(entries.map((entry) => entry.size));
  // Files that overlap come to more than the archive; a bomb unpacks to a multiple of it.
  if (packed > archive.size || size > Math.max(MAX_RATIO * archive.size, maxBytes)) {
    throw new ArchiveError(
      `The ZIP archive of ${archive.size.toLocaleString("en")} bytes would unpack to ` +
        `${size.toLocaleString("en")}: it is no archive of X-rays.`,
    );
  }
  return entries
    .filter((entry) => !entry.name.endsWith("/"))
    .map((entry) => ({ name: entry.name, blob: () => unpack(archive, entry, maxBytes) }));
}

async function directory(archive) {
  const { start, size } = await whereabouts(archive);
  if (size > MAX_DIRECTORY) throw new ArchiveError("The ZIP archive holds too many files: split it.");
  const view = await viewOf(archive, start, size);
  const entries = [];
  for (let at = 0; at + 46 <= view.byteLength && view.getUint32(at, true) === ENTRY; ) {
    const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const end = at + 46 + name + extra + comment;
    if (end > view.byteLength) break;
    entries.push(entryAt(view, at, name, extra));
    at = end;
  }
  return entries;
}

function entryAt(view, at, nameLength, extraLength) {
  const name = new Uint8Array(view.buffer, at + 46, nameLength);
  const entry = {
    name: new TextDecoder().decode(name).replaceAll("\\", "/"),
    isEncrypted: Boolean(view.getUint16(at + 8, true) & 1),
    method: view.getUint16(at + 10, true),
    checksum: view.getUint32(at + 16, true),
    packed: view.getUint32(at + 20, true),
    size: view.getUint32(at + 24, true),
    start: view.getUint32(at + 42, true),
  };
  readLongNumbers(entry, view, at + 46 + nameLength, extraLength);
  return entry;
}

// Numbers beyond 4 GB stand in an extra field, those alone that need it.
function readLongNumbers(entry, view, from, length) {
  for (let at = from; at + 4 <= from + length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    let next = at + 4;
    for (const number of ["size", "packed", "start"]) {
      if (entry[number] !== 0xffffffff || next + 8 > from + length) continue;
      entry[number] = Number(view.getBigUint64(next, true));
      next += 8;
    }
  }
}

// Where the archive's directory lies; its end is told by the last bytes, before a comment.
async function whereabouts(archive) {
  const from = Math.max(0, archive.size - END_SIZE - LONGEST_COMMENT - LOCATOR_SIZE);
  const view = await viewOf(archive, from, archive.size - from);
  for (let at = view.byteLength - END_SIZE; at >= 0; at--) {
    if (view.getUint32(at, true) !== END) continue;
    const locator = at - LOCATOR_SIZE;
    if (locator >= 0 && view.getUint32(locator, true) === LOCATOR_64) {
      return longWhereabouts(archive, Number(view.getBigUint64(locator + 8, true)));
    }
    return { size: view.getUint32(at + 12, true), start: view.getUint32(at + 16, true) };
  }
  throw new ArchiveError("The ZIP archive is damaged, or none. Make it again.");
}

async function longWhereabouts(archive, at) {
  const view = await viewOf(archive, at, END_64_SIZE);
  if (view.byteLength < END_64_SIZE || view.getUint32(0, true) !== END_64) {
    throw new ArchiveError("The ZIP archive is damaged. Make it again.");
  }
  return { size: Number(view.getBigUint64(40, true)), start: Number(view.getBigUint64(48, true)) };
}

async function unpack(archive, entry, maxBytes) {
  if (entry.isEncrypted) {
    throw new ArchiveError("The file is encrypted in its ZIP archive. Unpack it first.");
  }
  if (entry.size > maxBytes) throw new ArchiveError(tooLarge(maxBytes));
  if (entry.method !== STORED && entry.method !== DEFLATED) {
    throw new ArchiveError(
      `The ZIP archive compresses this file by method ${entry.method}; only Deflate can be read. ` +
        "Unpack it first.",
    );
  }
  const header = await viewOf(archive, entry.start, 30);
  if (header.byteLength < 30) throw new ArchiveError(DAMAGED);
  const start = entry.start + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  const packed = archive.slice(start, start + entry.packed);
  const blob = entry.method === STORED ? packed : await inflate(packed, entry.size);
  if (blob.size !== entry.size || (await checksum(blob)) !== entry.checksum) {
    throw new ArchiveError(DAMAGED);
  }
  return blob;
}

// Stops as soon as more comes out than was announced.
async function inflate(packed, size) {
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks = [];
  let total = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      total += next.value.length;
      if (total > size) throw new ArchiveError(DAMAGED);
      chunks.push(next.value);
    }
  } catch {
    reader.cancel().catch(() => {});
    throw new ArchiveError(DAMAGED);
  }
  return new Blob(chunks);
}

export function tooLarge(maxBytes) {
  return `The file is larger than ${Math.round(maxBytes / 1e6)} MB, the most that can be read.`;
}

const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

async function checksum(blob) {
  let remainder = 0xffffffff;
  for (const byte of new Uint8Array(await blob.arrayBuffer())) {
    remainder = REMAINDERS[(remainder ^ byte) & 255] ^ (remainder >>> 8);
  }
  return ~remainder >>> 0;
}

async function viewOf(blob, start, size) {
  return new DataView(await blob.slice(start, start + size).arrayBuffer());
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
