import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";

import { ArchiveError, filesOf } from "../../cxr_gradcam/web/static/worklist/zip.js";

const CONTENT = "123456789";
const CHECKSUM = 0xcbf43926; // of these nine digits: the check value of CRC-32/ISO-HDLC
const MOST = 1e6;

/** An archive of one file (APPNOTE.TXT of PKWARE, 4.3). */
function zipOf({ content = CONTENT, method = 0, flags = 0, checksum = CHECKSUM, size, name = "a.dcm" } = {}) {
  const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
  const shared = Buffer.alloc(26);
  shared.writeUInt16LE(20, 0);
  shared.writeUInt16LE(flags, 2);
  shared.writeUInt16LE(method, 4);
  shared.writeUInt32LE(checksum, 10);
  shared.writeUInt32LE(packed.length, 14);
  shared.writeUInt32LE(size ?? content.length, 18);
  shared.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), shared, Buffer.from(name), packed]);
  const entry = Buffer.concat([Buffer.from("PK\x01\x02"), Buffer.from([20, 0]), shared, Buffer.alloc(14), Buffer.from(name)]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);
  end.writeUInt32LE(local.length, 16);
  return new Blob([local, entry, end]);
}

async function unpacked(archive) {
  const [file] = await filesOf(archive, MOST);
  return (await file.blob()).text();
}

const refused = (archive, words) =>
  assert.rejects(unpacked(archive), (error) => error instanceof ArchiveError && words.test(error.message));

test("a stored and a deflated file come out as they went in", async () => {
  assert.equal(await unpacked(zipOf()), CONTENT);
  assert.equal(await unpacked(zipOf({ method: 8 })), CONTENT);
});

test("folders are left out, and backslashes are slashes", async () => {
  assert.deepEqual(await filesOf(zipOf({ name: "folder/" }), MOST), []);
  const [{ name }] = await filesOf(zipOf({ name: "folder\\a.dcm" }), MOST);
  assert.equal(name, "folder/a.dcm");
});

test("what is damaged, encrypted or compressed otherwise is said", async () => {
  await refused(zipOf({ checksum: 1 }), /damaged/);
  await refused(zipOf({ flags: 1 }), /encrypted/);
  await refused(zipOf({ method: 12 }), /method 12/);
  await refused(new Blob(["no archive"]), /damaged, or none/);
});

test("a file that unpacks to more than it says, or more than can be read, is refused", async () => {
  await refused(zipOf({ method: 8, content: "0".repeat(5000), size: 10 }), /damaged/);
  const archive = zipOf({ content: "0".repeat(100) });
  const [file] = await filesOf(archive, 50);
  await assert.rejects(file.blob(), /larger than/);
});

test("an archive that says it unpacks to a multiple of itself is no archive of X-rays", async () => {
  await assert.rejects(filesOf(zipOf({ size: 2 ** 31 }), MOST), /no archive of X-rays/);
});
