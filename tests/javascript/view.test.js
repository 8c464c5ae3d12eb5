import assert from "node:assert/strict";
import { test } from "node:test";

import { View } from "../../cxr_gradcam/web/static/viewer/view.js";

const picture = { width: 400, height: 200 };
const panel = { width: 200, height: 200 };

test("a picture that fits has no part outside the panel", () => {
  const view = new View();
  assert.ok(view.fits);
  assert.equal(view.scale(picture, panel), 0.5);
  assert.deepEqual(view.toPicture({ x: 0, y: 50 }, picture, panel), { x: 0, y: 0 });
  assert.deepEqual(view.toPanel({ x: 400, y: 200 }, picture, panel), { x: 200, y: 150 });
});

test("places of the panel and of the picture are each other's inverse", () => {
  const view = new View();
  view.set(0.3, 0.6, 3);
  const place = { x: 17, y: 123 };
  const back = view.toPanel(view.toPicture(place, picture, panel), picture, panel);
  assert.ok(Math.hypot(back.x - place.x, back.y - place.y) < 1e-9);
});

test("the place under the pointer stays where it is while zooming", () => {
  const view = new View();
  const at = { x: 0.25, y: 0.75 };
  const where = () =>
    view.toPanel({ x: at.x * picture.width, y: at.y * picture.height }, picture, panel);
  const before = where();
  view.zoomBy(4, at);
  assert.deepEqual(where(), before);
});

test("zooming ends at the whole picture and at 64 times", () => {
  const view = new View();
  view.zoomBy(0.5);
  assert.equal(view.zoom, 1);
  view.zoomBy(1000);
  assert.equal(view.zoom, 64);
});

test("no part of the panel stays empty that the picture could fill", () => {
  const view = new View();
  view.set(-1, 2, 4);
  view.limit(picture, panel);
  assert.deepEqual([view.x, view.y], [0.125, 0.75]);
});

test("one pixel of the picture becomes one of the screen", () => {
  const view = new View();
  view.oneToOne(picture, panel);
  assert.equal(view.scale(picture, panel), 1);
});

test("a change is told once", () => {
  let told = 0;
  const view = new View(() => told++);
  told = 0;
  view.panBy(0.1, 0);
  assert.equal(told, 1);
});
