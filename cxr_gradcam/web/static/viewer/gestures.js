// What pointers on a pane's panels do to the viewer: the target of `Pointers`.
export function gesturesOn(viewer, name) {
  const shares = (place) => viewer.shareAt(name, place);
  return {
    get canZoomOut() {
      return viewer.view.zoom > 1;
    },
    get tool() {
      return viewer.isFilled ? viewer.tools.chosen : null;
    },
    hover: (place) => viewer.isFilled && viewer.pointAt(name, place),
    leave: () => viewer.pointAt(name, null),
    zoom: (factor, place) => viewer.isFilled && viewer.view.zoomBy(factor, shares(place)),
    pan: (x, y) => viewer.isFilled && viewer.pan(name, x, y),
    window: (across, up) => viewer.windowing.dragBy(across, up),
    measure: (phase, place) => viewer.measure(phase, viewer.pixelAt(name, place)),
    toggle: (place, factor) => {
      if (!viewer.isFilled) return;
      if (viewer.view.fits) viewer.view.zoomBy(factor, shares(place));
      else viewer.view.fit();
    },
  };
}
