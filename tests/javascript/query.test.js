import assert from "node:assert/strict";
import { test } from "node:test";

import { displayFor, displayQuery } from "../../cxr_gradcam/web/static/sharing/query.js";

const windows = [{ label: "file" }, { label: "lung" }];
const parameters = { opacity: "opacity", colormap: "colors" };
const settings = {
  opacity: 50,
  colormap: "jet",
  view: { x: 0.5, y: 0.5, zoom: 1 },
  window: { preset: "file", inverted: false },
  layout: { arrangement: "auto", shown: ["overlay", "original", "heat-map"] },
};

test("what is as it opens is left out of the link", () => {
  assert.equal(displayQuery(settings, windows, parameters), "opacity=50&colors=jet");
});

test("a window of the file goes by its number, not by its name", () => {
  const changed = { ...settings, window: { preset: "lung", inverted: true } };
  assert.equal(displayQuery(changed, windows, {}), "window=2&invert=1");
});

test("an own window goes by its ends, a place by its middle and zoom", () => {
  const window = { preset: null, low: 0.1, high: 0.9, inverted: false };
  const changed = { ...settings, window, view: { x: 0.25, y: 0.75, zoom: 3 } };
  assert.equal(displayQuery(changed, windows, {}), "window=0.1,0.9&place=0.25,0.75,3");
});

test("a window's number becomes the name that this file gives it", () => {
  const { settings: applied, note } = displayFor({ window: { number: 2 }, opacity: 9 }, windows);
  assert.deepEqual([applied.window.preset, applied.opacity, note], ["lung", 9, ""]);
});

test("a window that this file lacks is said", () => {
  const { note } = displayFor({ window: { number: 3 } }, windows);
  assert.match(note, /does not have the grey scale/);
});
