// A place of the X-ray that is to be covered: drawn as a box, and asked for as a comparison.

const LEAST = 0.01; // of the picture's side

/**
 * The whole pixels of a box, within the picture; null where it is too small to be meant.
 * @param {{ from: { x: number, y: number }, to: { x: number, y: number } }} corners
 * @param {{ width: number, height: number }} picture
 * @returns {number[] | null} left and upper edge, width and height
 */
export function boxOf({ from, to }, { width, height }) {
  const within = (value, most) => Math.round(Math.min(Math.max(value, 0), most));
  const [left, right] = [from.x, to.x].map((x) => within(x, width)).sort((a, b) => a - b);
  const [top, bottom] = [from.y, to.y].map((y) => within(y, height)).sort((a, b) => a - b);
  const size = [right - left, bottom - top];
  if (size[0] <= LEAST * width || size[1] <= LEAST * height) return null;
  return [left, top, ...size];
}

/**
 * Asks for the answer without a place; the compare field does the rest.
 * @param {number[]} box
 */
export function askToCover(box) {
  document.dispatchEvent(new CustomEvent("compare", { detail: `cover:${box.join(",")}` }));
}
