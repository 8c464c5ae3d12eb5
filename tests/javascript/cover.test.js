// A box that is drawn becomes whole pixels within the picture.

import assert from "node:assert/strict";
import { test } from "node:test";

import { boxOf } from "../../cxr_gradcam/web/static/viewer/cover.js";

const PICTURE = { width: 200, height: 100 };
const box = (x, y, u, v) => boxOf({ from: { x, y }, to: { x: u, y: v } }, PICTURE);

test("corners come in any order", () => {
  assert.deepEqual(box(10, 20, 50, 40), [10, 20, 40, 20]);
  assert.deepEqual(box(50, 40, 10, 20), [10, 20, 40, 20]);
});

test("a box ends at the picture's edge", () => {
  assert.deepEqual(box(-30, 50.4, 20.6, 400), [0, 50, 21, 50]);
});

test("a click is no box", () => {
  assert.equal(box(10, 20, 11, 40), null);
  assert.equal(box(250, 20, 300, 40), null);
});
