import assert from "node:assert/strict";
import { test } from "node:test";

import { byUrgency, groupOf } from "../../cxr_gradcam/web/static/worklist/order.js";

const answered = (number, verdict, share) => ({ number, row: { verdict, share, is_familiar: true } });

test("a row without a verdict was answered by a model without an operating point", () => {
  assert.equal(groupOf({ row: { is_familiar: true } }), "answered");
});

test("what is unlike the training's X-rays is named before any verdict", () => {
  assert.equal(groupOf({ row: { verdict: "likely", is_familiar: false } }), "unfamiliar");
});

test("a file that failed is failed, whatever it was before", () => {
  assert.equal(groupOf({ row: { verdict: "likely" }, error: "cannot be read" }), "failed");
});

test("what needs eyes comes first, then the more probable, then the earlier", () => {
  const items = [
    { number: 1, error: "cannot be read" },
    { number: 2 },
    answered(3, "unlikely", 0.1),
    answered(4, "likely", 0.8),
    answered(5, "uncertain", 0.5),
    answered(6, "likely", 0.9),
    answered(7, "likely", 0.9),
    { number: 8, row: { verdict: "unlikely", share: 0, is_familiar: false } },
  ];
  const numbers = items.sort(byUrgency).map(({ number }) => number);
  assert.deepEqual(numbers, [8, 6, 7, 4, 5, 3, 2, 1]);
});
