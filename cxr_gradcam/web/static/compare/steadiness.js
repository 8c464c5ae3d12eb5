// Asks how steady the shown answer is, once the map is on the screen and the reader rests on it.

const REST = 700; // ms

/**
 * @param {HTMLElement} element Gradio's: the component
 * @param {(event: string, detail: object) => void} trigger Gradio's: its events
 */
export function start(element, trigger) {
  let waiting = 0;
  let asked = "";
  const viewer = () => document.querySelector("#viewer .viewer").viewer; // which may load later
  const forget = () => {
    clearTimeout(waiting);
    asked = "";
    element.querySelector("details")?.remove();
  };
  document.addEventListener("leaving", forget);
  document.addEventListener("closed", () => viewer().isFilled || forget());
  document.addEventListener("map", () => {
    const { id, link } = viewer().panes.a;
    const shown = `${id} ${link}`;
    if (!link || shown === asked) return;
    forget();
    asked = shown;
    waiting = window.setTimeout(() => trigger("select", {}), REST);
  });
}
