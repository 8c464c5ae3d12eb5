// The three panels. The server sends the original and an 8-bit map; colours and opacity are applied
// here, with the tables and the arithmetic of render.py, so that both give the same pixels.
// Given by Gradio: element, props, watch.

const PANELS = { original: "Original", "heat-map": "Heat map", overlay: "Overlay" };
const slider = element.querySelector(".opacity input");
const opacity = element.querySelector(".opacity b");
const chooser = element.querySelector(".colormap select");
const note = element.querySelector(".note");
const tables = Object.fromEntries(
  Object.entries(props.tables).map(([name, base64]) => [name, bytesOf(base64)]),
);

const viewer = element.querySelector(".viewer");
const shown = { original: null, heatmap: null, width: 0, height: 0, fileName: "", id: null };
const panels = Object.fromEntries(
  [...element.querySelectorAll("figure")].map((figure) => [
    figure.dataset.panel,
    fillFigure(figure),
  ]),
);

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function button(label, symbol, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.title = label;
  made.setAttribute("aria-label", label);
  made.textContent = symbol;
  made.addEventListener("click", action);
  return made;
}

function fillFigure(figure) {
  const name = PANELS[figure.dataset.panel];
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name}: no X-ray yet`);
  const caption = document.createElement("figcaption");
  caption.append(
    name,
    button(`${name}: full screen`, "⤢", () => toggleLarge(figure)),
    button(`${name}: download as PNG`, "⤓", () => download(figure.dataset.panel)),
  );
  figure.append(caption, canvas);
  return canvas;
}

// One panel and the controls fill the screen, or the window where a phone or an embedding page
// refuses full screen.
function toggleLarge(figure) {
  if (viewer.classList.contains("large")) return leaveLarge();
  viewer.classList.add("large");
  for (const other of viewer.querySelectorAll("figure")) other.hidden = other !== figure;
  viewer.requestFullscreen?.().catch(() => {});
}

function leaveLarge() {
  viewer.classList.remove("large");
  for (const figure of viewer.querySelectorAll("figure")) figure.hidden = false;
  if (document.fullscreenElement) document.exitFullscreen();
}

function download(panel) {
  if (!shown.original) return;
  const map = panel === "original" ? [] : [shown.fileName, chooser.value];
  const share = panel === "overlay" ? [slider.value] : [];
  panels[panel].toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = ["xray", panel, ...map, ...share].join("-").replaceAll(" ", "-") + ".png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

// One byte per pixel of a grey PNG. Colour management would change the values, so it is off.
async function decode(base64) {
  const blob = new Blob([bytesOf(base64)], { type: "image/png" });
  const bitmap = await createImageBitmap(blob, {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rgba = new Uint32Array(
    context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer,
  );
  const values = new Uint8Array(rgba.length);
  for (let i = 0; i < rgba.length; i++) values[i] = rgba[i] & 255;
  return { values, ...sizeOf(bitmap) };
}

function sizeOf({ width, height }) {
  return { width, height };
}

// Typed arrays and canvases are little-endian on every platform that browsers run on: 0xAABBGGRR.
function pack(red, green, blue) {
  return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
}

function draw(panel, colorOf) {
  const canvas = panels[panel];
  if (canvas.width !== shown.width) canvas.width = shown.width;
  if (canvas.height !== shown.height) canvas.height = shown.height;
  const image = new ImageData(shown.width, shown.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colorOf(i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function drawOriginal() {
  const { original } = shown;
  draw("original", (i) => pack(original[i], original[i], original[i]));
}

function drawHeatMap() {
  const table = tables[chooser.value];
  const colors = new Uint32Array(256);
  for (let step = 0; step < 256; step++) {
    colors[step] = pack(table[3 * step], table[3 * step + 1], table[3 * step + 2]);
  }
  const { heatmap } = shown;
  draw("heat-map", (i) => colors[heatmap[i]]);
}

// Every colour blended with every grey value: the pixels then need one look-up each.
function drawOverlay() {
  const table = tables[chooser.value];
  const alpha = slider.valueAsNumber / 100;
  const blend = (value, color) => Math.floor((1 - alpha) * value + alpha * color + 0.5);
  const blended = new Uint32Array(65536);
  for (let step = 0, at = 0; step < 256; step++) {
    const [red, green, blue] = table.subarray(3 * step, 3 * step + 3);
    for (let value = 0; value < 256; value++, at++) {
      blended[at] = pack(blend(value, red), blend(value, green), blend(value, blue));
    }
  }
  const { original, heatmap } = shown;
  draw("overlay", (i) => blended[(heatmap[i] << 8) | original[i]]);
}

function drawScale() {
  const canvas = element.querySelector(".scale canvas");
  const image = new ImageData(256, 1);
  const table = tables[chooser.value];
  for (let step = 0; step < 256; step++) {
    image.data.set([...table.subarray(3 * step, 3 * step + 3), 255], 4 * step);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function describe({ shown: what, hottest, note: text }) {
  panels.original.setAttribute("aria-label", "Original X-ray");
  panels["heat-map"].setAttribute("aria-label", `Heat map of the ${what}, ${hottest}`);
  panels.overlay.setAttribute("aria-label", `X-ray under the heat map of the ${what}, ${hottest}`);
  note.textContent = text;
}

async function show(value) {
  // A map of another image than the one shown comes too late: its own image is on the way.
  if (!value || (!value.original && value.image_id !== shown.id)) return;
  const [original, heatmap] = await Promise.all([
    value.original && decode(value.original),
    decode(value.heatmap),
  ]);
  Object.assign(shown, original && { original: original.values, ...sizeOf(original) });
  Object.assign(shown, {
    heatmap: heatmap.values,
    fileName: value.file_name,
    id: value.image_id,
  });
  element.style.setProperty("--aspect", `${shown.width} / ${shown.height}`);
  drawOriginal();
  drawHeatMap();
  drawOverlay();
  describe(value);
  viewer.classList.add("filled");
  viewer.dataset.shown = `${value.image_id} ${value.file_name}`;
}

// Better no picture than the last patient's beside this one's answer.
function clear(error) {
  shown.original = shown.id = null;
  viewer.classList.remove("filled");
  for (const canvas of Object.values(panels)) canvas.width = canvas.height = 1;
  note.textContent = `This browser cannot show the image (${error.message}).`;
}

// One after the other, in the order in which they came.
let queue = Promise.resolve();
function showNext() {
  const { value } = props;
  queue = queue.then(() => show(value)).catch(clear);
}

// However many events come before the next frame, each drawing is made once.
const pending = new Set();
function redrawSoon(...drawings) {
  if (!shown.original) return;
  if (pending.size === 0) requestAnimationFrame(redraw);
  drawings.forEach((drawing) => pending.add(drawing));
}

function redraw() {
  pending.forEach((drawing) => drawing());
  pending.clear();
}

for (const name of Object.keys(tables)) chooser.add(new Option(name));
drawScale();
slider.addEventListener("input", () => {
  opacity.textContent = `${slider.value} %`;
  slider.setAttribute("aria-valuetext", opacity.textContent);
  redrawSoon(drawOverlay);
});
chooser.addEventListener("input", () => {
  drawScale();
  redrawSoon(drawHeatMap, drawOverlay);
});
document.addEventListener("fullscreenchange", () => document.fullscreenElement || leaveLarge());
element.addEventListener("keydown", (event) => event.key === "Escape" && leaveLarge());
watch("value", showNext);
showNext();
