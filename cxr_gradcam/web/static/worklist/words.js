// What the list says of itself.

import { inWords } from "../page/duration.js";

/**
 * @param {{ all: number, waiting: number, failed: number }} counts
 * @param {{ isRunning: boolean, secondsLeft: number | null }} sending
 */
export function stateInWords({ all, waiting, failed }, { isRunning, secondsLeft }) {
  const bad = failed ? `, ${failed} failed` : "";
  if (!waiting) return `${all} done${bad}.`;
  const left = secondsLeft === null ? "" : `, about ${inWords(secondsLeft)} left`;
  return `${all - waiting} of ${all} done${bad}${isRunning ? left : ", stopped"}.`;
}

/** @param {number} count of files that are no pictures */
export function skippedInWords(count) {
  if (!count) return "";
  const [files, are] = count === 1 ? ["file", "is"] : ["files", "are"];
  return `${count} ${files} that ${are} no picture left out.`;
}
