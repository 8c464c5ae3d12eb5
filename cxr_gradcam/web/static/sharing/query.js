// The display of a view as parameters of a link. What a link may say is checked in query.py.

// settings: of the viewer; windows: of its picture; parameters: of the display, by the settings'
// names. A window of the file goes by its number: its name is the file's own text.
export function displayQuery(settings, windows, parameters) {
  const { window, view, layout } = settings;
  const said = Object.fromEntries(
    Object.entries(parameters).map(([name, parameter]) => [parameter, settings[name]]),
  );
  const number = 1 + windows.findIndex(({ label }) => label === window.preset);
  if (!window.preset) said.window = `${window.low},${window.high}`;
  else if (number > 1) said.window = number;
  if (window.inverted) said.invert = 1;
  if (view.zoom !== 1) said.place = [view.x, view.y, view.zoom].join();
  if (layout.arrangement !== "auto") said.layout = layout.arrangement;
  if (layout.shown.join() !== "overlay,original,heat-map") said.panels = layout.shown.join();
  return Object.entries(said).map(([name, value]) => `${name}=${value}`).join("&");
}

// What `viewer.apply` takes, for a picture with these windows; the note where it has no such window.
export function displayFor({ window, ...display }, windows) {
  if (!window?.number) return { settings: { ...display, window } };
  const preset = windows[window.number - 1]?.label;
  const note = preset ? "" : "This X-ray does not have the grey scale that the link named.";
  return { settings: { ...display, window: { ...window, preset } }, note };
}
