// Contour lines: where the map passes 50, 75 and 90 % of its maximum. The rule is that of
// contours.py: a pixel lies on a line where one of its four neighbours at the line's width is of a
// lower level, and is dark where one beside it is of a higher level.

const LEVELS = [0.5, 0.75, 0.9];

/** The levels at which lines are drawn. @param {number} threshold in per cent of the maximum */
export const levelsFrom = (threshold) => LEVELS.filter((level) => 100 * level >= threshold);

const DARK = 0xff000000;

/**
 * Draws the lines of a map over pixels that are already painted.
 * @param {Uint32Array} pixels
 * @param {Uint8Array} steps of the map
 * @param {{ width: number, height: number }} size
 * @param {{ lines: Uint32Array, lineWidth: number, share: number, threshold: number }} paint
 *   colours of the steps, the lines' width, the share of the scale's end that the map's maximum is,
 *   and the per cent below which no line is drawn
 */
export function drawContours(pixels, steps, { width, height }, paint) {
  const { lines, lineWidth, share, threshold } = paint;
  const levels = new Uint8Array(steps.length);
  const least = levelsFrom(threshold).map((level) => Math.ceil(255 * level));
  const levelOf = Uint8Array.from({ length: 256 }, (_, step) => {
    return least.filter((each) => Math.round(step * share) >= each).length;
  });
  for (let i = 0; i < levels.length; i++) levels[i] = levelOf[steps[i]];
  const lineColors = [0, ...least.map((step) => lines[step])];
  for (let y = 0, at = 0; y < height; y++) {
    // Beyond the edge, the pixel at the edge counts.
    const up = y > 0 ? width : 0;
    const down = y + 1 < height ? width : 0;
    const farUp = Math.min(lineWidth, y) * width;
    const farDown = Math.min(lineWidth, height - 1 - y) * width;
    for (let x = 0; x < width; x++, at++) {
      const level = levels[at];
      const left = x > 0 ? 1 : 0;
      const right = x + 1 < width ? 1 : 0;
      const farLeft = Math.min(lineWidth, x);
      const farRight = Math.min(lineWidth, width - 1 - x);
      if (
        levels[at - farLeft] < level ||
        levels[at + farRight] < level ||
        levels[at - farUp] < level ||
        levels[at + farDown] < level
      ) {
        pixels[at] = lineColors[level];
      } else if (
        levels[at - left] > level ||
        levels[at + right] > level ||
        levels[at - up] > level ||
        levels[at + down] > level
      ) {
        pixels[at] = DARK;
      }
    }
  }
}
