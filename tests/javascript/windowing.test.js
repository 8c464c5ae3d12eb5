import assert from "node:assert/strict";
import { test } from "node:test";

import { Windowing } from "../../cxr_gradcam/web/static/viewer/windowing.js";

globalThis.Option = class {
  constructor(text, value) {
    Object.assign(this, { text, value });
  }
};

class Field extends EventTarget {
  attributes = {};
  replaceChildren(...children) {
    this.children = children;
  }
  setAttribute(name, value) {
    this.attributes[name] = value;
  }
}

const greyScale = {
  bits: 8,
  slope: 10,
  offset: -100,
  inverted: false,
  windows: [
    { label: "1", name: "Whole range", low: 0, high: 255 },
    { label: "2", name: "Narrow", low: 100, high: 200 },
  ],
};

function opened() {
  const fields = {};
  const root = { querySelector: (selector) => (fields[selector] ??= new Field()) };
  let changes = 0;
  const windowing = new Windowing(root, () => changes++);
  windowing.setPicture(greyScale);
  return { windowing, fields, changes: () => changes };
}

test("level and width stand in the file's own units", () => {
  const { windowing, fields } = opened();
  windowing.choose("2");
  assert.equal(fields[".level"].value, 1400); // 10 * 150 - 100
  assert.equal(fields[".width"].value, 1000);
  assert.match(windowing.says, /^L 1400 {2}W 1000\nNarrow$/);
});

test("greys go from black at the low end to white at the high end", () => {
  const { windowing } = opened();
  windowing.choose("2");
  const greys = windowing.greys(greyScale);
  assert.deepEqual([greys[99], greys[100], greys[150], greys[200], greys[201]], [0, 0, 128, 255, 255]);
  windowing.invert();
  assert.deepEqual([windowing.greys(greyScale)[100], windowing.greys(greyScale)[200]], [255, 0]);
});

test("the same greys are made once", () => {
  const { windowing } = opened();
  assert.equal(windowing.greys(greyScale), windowing.greys(greyScale));
});

test("another picture has its window of the same name, or as far from its first", () => {
  const { windowing } = opened();
  const other = { ...greyScale, windows: [{ label: "1", name: "Whole range", low: 0, high: 100 }] };
  windowing.setOwn(127.5, 255 / 2); // the middle half
  const greys = windowing.greys(other);
  assert.deepEqual([greys[24], greys[25], greys[75]], [0, 0, 255]);
});

test("dragging to the right widens the window, upwards brightens the picture", () => {
  const { windowing } = opened();
  windowing.dragBy(0.1, 0.1);
  assert.ok(windowing.high - windowing.low > 255);
  assert.ok(windowing.greys(greyScale)[100] !== 100);
});

test("settings that were taken are the same when they are applied", () => {
  const { windowing } = opened();
  windowing.setOwn(100, 50);
  windowing.invert();
  const { settings, low, high } = windowing;
  windowing.reset();
  windowing.apply(settings);
  assert.ok(Math.abs(windowing.low - low) < 1e-9 && Math.abs(windowing.high - high) < 1e-9);
  assert.equal(windowing.inverted, true);
});

test("a window without width in a link is not taken", () => {
  const { windowing } = opened();
  windowing.apply({ low: 0.5, high: 0.5 });
  assert.equal(windowing.preset, "1");
});
