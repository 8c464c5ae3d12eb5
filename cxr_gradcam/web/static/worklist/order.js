// What needs eyes first: what is unlike the training's X-rays, then likely, uncertain and unlikely;
// among equals the more probable first. What waits comes after them, and what failed last: it
// cannot be looked at.

export const GROUPS = [
  ["unfamiliar", "Unlike training"],
  ["likely", "Likely"],
  ["uncertain", "Uncertain"],
  ["unlikely", "Unlikely"],
  ["answered", "Answered"], // by a model without an operating point
  ["waiting", "Waiting"],
  ["failed", "Failed"],
];

const RANKS = Object.fromEntries(GROUPS.map(([name], rank) => [name, rank]));

export function groupOf({ row, error }) {
  if (error) return "failed";
  if (!row) return "waiting";
  if (row.is_familiar === false) return "unfamiliar";
  return row.verdict ?? "answered";
}

// For Array.sort.
export function byUrgency(one, other) {
  return (
    RANKS[groupOf(one)] - RANKS[groupOf(other)] ||
    (other.row?.share ?? 0) - (one.row?.share ?? 0) ||
    one.number - other.number
  );
}
