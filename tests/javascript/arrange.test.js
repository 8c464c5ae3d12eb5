import assert from "node:assert/strict";
import { test } from "node:test";

import { ARRANGEMENTS, GAP, arrange, shownArea } from "../../cxr_gradcam/web/static/viewer/arrange.js";

const WIDE = { width: 1140, height: 760 };
const NARROW = { width: 700, height: 760 };

const largest = (places, aspect) => Math.max(...places.flat().map((each) => shownArea(each, aspect)));
const overlap = (one, other) =>
  one.x < other.x + other.width &&
  other.x < one.x + one.width &&
  one.y < other.y + other.height &&
  other.y < one.y + one.height;

for (const room of [WIDE, NARROW, { width: 2800, height: 1900 }]) {
  for (const aspect of [0.5, 1, 1.3, 6]) {
    for (const panels of [1, 2, 3]) {
      for (const panes of [1, 2]) {
        const name = `${room.width} x ${room.height}, ${aspect}, ${panels} panels, ${panes} panes`;
        test(`every panel has a place of its own in the room: ${name}`, () => {
          const places = arrange(room, aspect, { panels, panes }).flat();
          assert.equal(places.length, panels * panes);
          for (const [at, one] of places.entries()) {
            assert.ok(one.x >= 0 && one.x + one.width <= room.width, "across");
            assert.ok(one.y >= 0 && one.y + one.height <= room.height, "down");
            for (const other of places.slice(at + 1)) assert.ok(!overlap(one, other));
          }
        });
        test(`no arrangement shows the picture larger than the one that is taken: ${name}`, () => {
          const taken = largest(arrange(room, aspect, { panels, panes }), aspect);
          for (const arrangement of ARRANGEMENTS) {
            const other = arrange(room, aspect, { panels, panes, arrangement });
            assert.ok(taken >= 0.96 * largest(other, aspect), arrangement);
          }
        });
      }
    }
  }
}

test("one panel has the whole room", () => {
  assert.deepEqual(arrange(WIDE, 1, { panels: 1 }), [[{ x: 0, y: 0, ...WIDE }]]);
});

test("a row, a column and a large panel are what they are called", () => {
  const of = (arrangement) => arrange(WIDE, 1, { panels: 3, arrangement })[0];
  assert.equal(new Set(of("row").map(({ y }) => y)).size, 1);
  assert.equal(new Set(of("column").map(({ x }) => x)).size, 1);
  const [large, ...small] = of("lead").map((place) => shownArea(place, 1));
  assert.ok(small.every((area) => area < large));
});

test("between two panels in a row is the gap alone", () => {
  const [one, other] = arrange(WIDE, 1, { panels: 2, arrangement: "row" })[0];
  assert.equal(other.x - one.x - one.width, GAP);
});
