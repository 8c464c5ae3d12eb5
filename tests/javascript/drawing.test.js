import assert from "node:assert/strict";
import { test } from "node:test";

import { Drawing } from "../../cxr_gradcam/web/static/viewer/drawing.js";

const pane = (peak, scale, link = "") => ({ peak, scale, link });
const drawing = (a, b) => new Drawing({ panes: b ? { a, b } : { a } });

test("maps of one gradient method at one layer share the stronger one's scale", () => {
  const [weak, strong] = [pane(0.2, "gradcam layer4"), pane(0.8, "gradcam layer4", "compare=class:B")];
  const drawn = drawing(weak, strong);
  assert.ok(drawn.isOneScale);
  assert.equal(drawn.share(weak), 0.25);
  assert.equal(drawn.share(strong), 1);
});

test("maps whose peaks cannot be compared keep scales of their own", () => {
  const first = pane(0.2, "gradcam layer4");
  for (const other of [
    undefined,
    pane(0.8, "layercam layer4", "compare=method:layercam"),
    pane(0.8, "", "compare=class:B"),
    pane(0.8, "gradcam layer4", "compare=model:other"),
  ]) {
    const drawn = drawing(first, other);
    assert.equal(drawn.isOneScale, false);
    assert.equal(drawn.share(first), 1);
  }
});

test("two empty maps keep scales of their own", () => {
  assert.equal(drawing(pane(0, "gradcam layer4"), pane(0, "gradcam layer4")).isOneScale, false);
});
