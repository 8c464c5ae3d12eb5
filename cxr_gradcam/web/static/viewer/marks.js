// What is drawn above a panel: side marks, scale bar, ruler, lungs, a place to be covered,
// and where the pointer is.

import { lengthOf, scaleBar, sideMarks } from "./measure.js";

const SVG = "http://www.w3.org/2000/svg";

function add(svg, kind, attributes, text) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  svg.append(made);
}

// size: of the panel in CSS pixels; toPanel: from the picture's pixels to those; scale: CSS pixels
// per pixel of the picture.
export function drawMarks(svg, size, { greyScale, toPanel, scale, ruler, cursor, box, outlines }) {
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.replaceChildren();
  drawSides(svg, size, sideMarks(greyScale.orientation));
  drawBar(svg, size, scaleBar(greyScale.spacing, scale, size.width * 0.4));
  if (ruler) {
    const [from, to] = [toPanel(ruler.from), toPanel(ruler.to)];
    drawRuler(svg, size, from, to, lengthOf(ruler, greyScale.spacing));
  }
  for (const outline of outlines) drawOutline(svg, outline.map(toPanel));
  if (box) drawBox(svg, toPanel(box.from), toPanel(box.to));
  if (cursor) drawCross(svg, toPanel(cursor));
}

/**
 * @param {SVGElement} svg
 * @param {{ width: number, height: number }} size
 * @param {{ left?: string, right?: string, top?: string, bottom?: string }} letters
 */
function drawSides(svg, { width, height }, { left, right, top, bottom }) {
  const middle = { x: width / 2, y: height / 2 };
  const mark = (text, x, y, anchor) => text && add(svg, "text", { x, y, "text-anchor": anchor }, text);
  mark(left, 8, middle.y, "start");
  mark(right, width - 8, middle.y, "end");
  mark(top, middle.x, 18, "middle");
  mark(bottom, middle.x, height - 8, "middle");
}

function drawBar(svg, { width, height }, bar) {
  if (!bar) return;
  const [from, to, y] = [width - 12 - bar.pixels, width - 12, height - 12];
  add(svg, "path", { d: `M${from} ${y - 5}V${y}H${to}V${y - 5}` });
  const text = bar.mm >= 10 ? `${bar.mm / 10} cm` : `${bar.mm} mm`;
  add(svg, "text", { x: to, y: y - 9, "text-anchor": "end" }, text);
}

function drawRuler(svg, size, from, to, text) {
  add(svg, "path", { d: `M${from.x} ${from.y}L${to.x} ${to.y}` });
  for (const { x, y } of [from, to]) add(svg, "circle", { cx: x, cy: y, r: 3 });
  add(svg, "text", besideEnd(size, to), text);
}

/**
 * Returns where a label stands beside a place: towards the panel's middle, and never outside it.
 * @param {{ width: number, height: number }} size of the panel
 * @param {{ x: number, y: number }} place
 */
export function besideEnd({ width, height }, place) {
  const isRight = place.x > width / 2;
  const within = (at, from, to) => Math.min(Math.max(at, from), to);
  return {
    x: within(place.x + (isRight ? -8 : 8), 8, width - 8),
    y: within(place.y - 8, 18, height - 8),
    "text-anchor": isRight ? "end" : "start",
  };
}

function drawOutline(svg, places) {
  add(svg, "path", { class: "lung", d: `M${places.map(({ x, y }) => `${x} ${y}`).join("L")}Z` });
}

function drawBox(svg, from, to) {
  add(svg, "path", { class: "box", d: `M${from.x} ${from.y}H${to.x}V${to.y}H${from.x}Z` });
}

function drawCross(svg, { x, y }) {
  add(svg, "path", { class: "cross", d: `M${x - 9} ${y}h6M${x + 3} ${y}h6M${x} ${y - 9}v6M${x} ${y + 3}v6` });
}
