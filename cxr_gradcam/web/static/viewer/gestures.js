/**
 * What pointers on a panel do to the viewer: the target of `Pointers`.
 * @param {any} viewer
 * @param {string} name of the pane
 * @param {HTMLCanvasElement} canvas the panel's
 */
export function gesturesOn(viewer, name, canvas) {
  const shares = (place) => viewer.shareAt(name, place, canvas);
  return {
    get canZoomOut() {
      return viewer.view.zoom > 1;
    },
    get tool() {
      return viewer.isFilled ? viewer.tools.chosen : null;
    },
    hover: (place) => {
      if (!viewer.isFilled) return;
      viewer.cursor.point(viewer.panes[name], viewer.pixelAt(name, place, canvas));
    },
    leave: () => viewer.cursor.point(viewer.panes[name], null),
    zoom: (factor, place) => viewer.isFilled && viewer.view.zoomBy(factor, shares(place)),
    pan: (x, y) => viewer.isFilled && viewer.pan(name, x, y, canvas),
    window: (across, up) => viewer.windowing.dragBy(across, up),
    draw: (phase, place) => {
      const pane = viewer.tools.chosen === "cover" ? "a" : name; // a place is one of the first picture
      const { width, height } = viewer.panes[pane].renderer.picture;
      const { x, y } = shares(place);
      viewer.cursor.draw(phase, { x: x * width, y: y * height });
    },
    toggle: () => {
      if (viewer.isFilled) viewer.layout.lead(canvas.closest("figure").dataset.panel);
    },
  };
}
