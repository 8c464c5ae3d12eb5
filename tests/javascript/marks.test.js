import assert from "node:assert/strict";
import { test } from "node:test";

import { besideEnd } from "../../cxr_gradcam/web/static/viewer/marks.js";
import { leftInWords } from "../../cxr_gradcam/web/static/viewer/slow.js";

const panel = { width: 300, height: 200 };

test("the ruler's label stands on the side that has more room", () => {
  assert.deepEqual(besideEnd(panel, { x: 50, y: 100 }), { x: 58, y: 92, "text-anchor": "start" });
  assert.deepEqual(besideEnd(panel, { x: 290, y: 100 }), { x: 282, y: 92, "text-anchor": "end" });
});

test("the ruler's label stays in the panel where its end is outside", () => {
  for (const place of [{ x: -80, y: -20 }, { x: 500, y: 900 }]) {
    const { x, y } = besideEnd(panel, place);
    assert.ok(x >= 8 && x <= 292 && y >= 18 && y <= 192);
  }
});

test("a slow method says how long it still takes once its speed is known", () => {
  assert.equal(leftInWords(0.01, 0.01, 500), "1 %");
  assert.equal(leftInWords(0.25, 0.25, 10_000), "25 %, about 30 s left");
  assert.equal(leftInWords(0.1, 0.5, 60_000), "50 %, about 5 min left");
});
