// Where the panels stand: a row, a column, or one large beside the others, whichever shows the
// picture largest in the room that there is.

export const GAP = 4; // CSS pixels

/** @typedef {{ width: number, height: number }} Size */
/** @typedef {{ x: number, y: number, width: number, height: number }} Place */
/** @typedef {"row" | "column" | "lead"} Arrangement */

/** @type {Arrangement[]} */
export const ARRANGEMENTS = ["lead", "row", "column"];

/**
 * Returns a place for each panel of each pane, the large one first in its pane.
 * @param {Size} room
 * @param {number} aspect width of the picture over its height
 * @param {{ panels: number, panes?: number, arrangement?: string }} wanted how many panels each pane
 *   has; "auto" or no arrangement takes the one that shows the picture largest
 * @returns {Place[][]} by pane, then by panel
 */
export function arrange(room, aspect, { panels, panes = 1, arrangement = "auto" }) {
  const kinds = ARRANGEMENTS.filter((kind) => arrangement === "auto" || kind === arrangement);
  let best = { largest: -1, all: -1, places: /** @type {Place[][]} */ ([]) };
  for (const parts of halves(room, panes)) {
    for (const kind of kinds) {
      const places = parts.map((part) => placesIn(part, aspect, panels, kind));
      const areas = places.flat().map((place) => shownArea(place, aspect));
      const found = { largest: Math.max(...areas), all: sum(areas), places };
      if (isBetter(found, best)) best = found;
    }
  }
  return best.places;
}

// Much the same size of the largest: then all of them count.
function isBetter(found, best) {
  if (found.largest > 1.02 * best.largest) return true;
  return found.largest > 0.98 * best.largest && found.all > best.all;
}

/** The room of each pane: the whole, or two halves beside or below each other. */
function halves({ width, height }, panes) {
  const whole = { x: 0, y: 0, width, height };
  return panes === 1 ? [[whole]] : [split(whole, panes, "row"), split(whole, panes, "column")];
}

function placesIn(part, aspect, panels, kind) {
  if (panels < 3 || kind !== "lead") {
    const direction = kind === "lead" ? bestSplit(part, aspect, panels) : kind;
    return split(part, panels, direction);
  }
  const tried = [];
  for (const side of ["row", "column"]) {
    for (let share = 0.2; share <= 0.5; share += 0.02) tried.push(lead(part, panels, side, share));
  }
  return tried.reduce((best, each) => (worth(each, aspect) > worth(best, aspect) ? each : best));
}

function bestSplit(part, aspect, panels) {
  const area = (direction) => shownArea(split(part, panels, direction)[0], aspect);
  return area("row") >= area("column") ? "row" : "column";
}

// The large one counts twice: the others are there to be glanced at.
function worth(places, aspect) {
  const [large, ...others] = places.map((place) => shownArea(place, aspect));
  return 2 * large + sum(others);
}

/** One large panel, the others beside it in a column or below it in a row. */
function lead(part, panels, side, share) {
  const { x, y, width, height } = part;
  if (side === "row") {
    const small = Math.round(share * (width - GAP));
    const large = { x, y, width: width - GAP - small, height };
    const rest = { x: x + width - small, y, width: small, height };
    return [large, ...split(rest, panels - 1, "column")];
  }
  const small = Math.round(share * (height - GAP));
  const large = { x, y, width, height: height - GAP - small };
  return [large, ...split({ x, y: y + height - small, width, height: small }, panels - 1, "row")];
}

/** Equal parts of a place, beside ("row") or below ("column") each other. */
function split({ x, y, width, height }, count, direction) {
  const [w, h] =
    direction === "row"
      ? [(width - GAP * (count - 1)) / count, height]
      : [width, (height - GAP * (count - 1)) / count];
  return Array.from({ length: count }, (_, at) => ({
    x: Math.round(direction === "row" ? x + at * (w + GAP) : x),
    y: Math.round(direction === "row" ? y : y + at * (h + GAP)),
    width: Math.floor(w),
    height: Math.floor(h),
  }));
}

/** How much of the screen a picture fills in a place. */
export function shownArea({ width, height }, aspect) {
  const shown = Math.min(width, height * aspect);
  return (shown * shown) / aspect;
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
