// The icons: strokes on a square of 24, in the colour of the text beside them.

const SVG = "http://www.w3.org/2000/svg";

/** @type {Record<string, string>} */
const PATHS = {
  open: "M3 19V6a1 1 0 0 1 1-1h5l2 2h8a1 1 0 0 1 1 1v2M3 19l3-9h16l-3 9z",
  prior: "M3 5h8v14H3zM14 5h7v14h-7zM17.5 9v6M15 12h5",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  report: "M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7",
  about: "M12 11v6M12 7v.5M3 12a9 9 0 1 0 18 0 9 9 0 0 0-18 0z",
  keys: "M3 6h18v12H3zM6 10h1M10 10h1M14 10h1M18 10h.5M8 14h8",
  move: "M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3",
  window: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  measure: "M3 16 16 3l5 5L8 21zM7 12l2 2M10 9l3 3M13 6l2 2",
  cover: "M4 4h16v16H4zM8 8h8v8H8zM8 12l4-4M8 16l8-8M12 16l4-4",
  out: "M4 10a6 6 0 1 0 12 0 6 6 0 0 0-12 0zM15 15l6 6M7 10h6",
  in: "M4 10a6 6 0 1 0 12 0 6 6 0 0 0-12 0zM15 15l6 6M7 10h6M10 7v6",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  invert: "M4 4h16v16H4zM4 20 20 4M5 19V5h14z",
  layout: "M3 4h18v16H3zM14 4v16M14 12h7",
  more: "M4 7h9M19 7h1M16 5v4M4 17h1M11 17h9M8 15v4",
  heat: "M3 12a9 9 0 1 0 18 0 9 9 0 0 0-18 0zM8 12a4 4 0 1 0 8 0 4 4 0 0 0-8 0z",
  large: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  save: "M12 4v11M7 11l5 5 5-5M4 20h16",
  close: "M5 5l14 14M19 5 5 19",
  list: "M4 6h2M9 6h11M4 12h2M9 12h11M4 18h2M9 18h11",
  undo: "M9 5 4 10l5 5M4 10h10a6 6 0 0 1 0 12h-3",
};

/**
 * Makes an icon; what it stands for is said by the button around it.
 * @param {string} name of PATHS
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("aria-hidden", "true");
  made.classList.add("icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  made.append(path);
  return made;
}

/**
 * Puts the icons into the elements that ask for one by data-icon.
 * @param {ParentNode} root
 */
export function addIcons(root) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-icon]"))) {
    element.prepend(icon(element.dataset.icon ?? ""));
    element.removeAttribute("data-icon");
  }
}
