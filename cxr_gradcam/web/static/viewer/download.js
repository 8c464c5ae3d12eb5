// Saves a panel as PNG, at the picture's own size; nothing in its name is of the patient.
export async function download(viewer, pane, panel) {
  const { renderer, fileName } = pane;
  if (!renderer.picture) return;
  const map = panel === "original" ? [] : [fileName, viewer.heat.settings.colormap];
  const share = panel === "overlay" ? viewer.heat.name : [];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await renderer.full(panel, viewer.drawing.paint(pane)));
  link.download = ["xray", panel, ...map, ...share].join("-").replaceAll(" ", "-") + ".png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
