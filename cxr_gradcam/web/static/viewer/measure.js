// Distances on the picture: the ruler's line and the scale bar.

const NICE = [1, 2, 5, 10, 20, 50, 100, 200, 500];

// The length of a line in mm, or in pixels where the file has no spacing.
export function lengthOf({ from, to }, spacing) {
  const [across, down] = [to.x - from.x, to.y - from.y];
  if (!spacing) return `${Math.hypot(across, down).toFixed(0)} pixels`;
  return `${Math.hypot(across * spacing.column, down * spacing.row).toFixed(1)} mm`;
}

// The longest round length that is at most a share of the panel: { mm, pixels of the panel }.
export function scaleBar(spacing, scale, most) {
  if (!spacing) return null;
  const perPixel = spacing.column / scale;
  const fitting = NICE.filter((mm) => mm / perPixel <= most);
  if (!fitting.length) return null;
  const mm = fitting.at(-1);
  return { mm, pixels: mm / perPixel };
}

const OPPOSITE = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" };

// The letters at the picture's left, right, top and bottom, from PatientOrientation.
export function sideMarks(orientation) {
  if (!orientation) return {};
  const [row, column] = orientation;
  const opposite = (letters) => [...letters].map((letter) => OPPOSITE[letter]).join("");
  return { left: opposite(row), right: row, top: opposite(column), bottom: column };
}
