/**
 * Says how long something takes.
 * @param {number} seconds
 */
export function inWords(seconds) {
  if (seconds < 100) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.round(seconds / 60)} min`;
}
