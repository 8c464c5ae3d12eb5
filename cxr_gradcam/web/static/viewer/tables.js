// Look-up tables: from a stored value to grey, from grey and map to a colour. The arithmetic is that
// of rendering.py (doubles, rounded half up), so that both give the same pixels.

import { bytesOf } from "./pixels.js";

// Canvases are little-endian on every platform that browsers run on: 0xAABBGGRR.
export function pack(red, green, blue) {
  return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
}

export const GREYS = Uint32Array.from({ length: 256 }, (_, grey) => pack(grey, grey, grey));

// The grey of every stored value. greyScale is what the server says of the picture; window is one
// of its windows, or any other ends. "greys" stands where no straight line gives them. negative: the
// reader wants black for white.
export function greysOf(greyScale, window, negative) {
  const table = window.greys ? bytesOf(window.greys) : ramp(greyScale, window);
  if (negative) table.forEach((grey, value) => (table[value] = 255 - grey));
  const { padding } = greyScale;
  if (padding) table.fill(0, padding[0], padding[1] + 1);
  return table;
}

function ramp({ bits, inverted }, { low, high }) {
  const table = new Uint8ClampedArray(2 ** bits);
  const width = high - low || 1e-9;
  for (let value = 0; value < table.length; value++) {
    table[value] = Math.floor(((value - low) / width) * 255 + 0.5);
  }
  if (inverted) table.forEach((grey, value) => (table[value] = 255 - grey));
  return table;
}

// The 256 colours of a colour map of 768 bytes.
export function colorsOf(bytes) {
  const colors = new Uint32Array(256);
  for (let step = 0; step < 256; step++) {
    colors[step] = pack(bytes[3 * step], bytes[3 * step + 1], bytes[3 * step + 2]);
  }
  return colors;
}

// Every colour blended with every grey: step * 256 + grey. opacityOf gives the opacity of a step.
export function blendTable(bytes, opacityOf) {
  const blended = new Uint32Array(65536);
  for (let step = 0, at = 0; step < 256; step++) {
    const [red, green, blue] = bytes.subarray(3 * step, 3 * step + 3);
    const alpha = opacityOf(step);
    const blend = (grey, color) => Math.floor((1 - alpha) * grey + alpha * color + 0.5);
    for (let grey = 0; grey < 256; grey++, at++) {
      blended[at] = pack(blend(grey, red), blend(grey, green), blend(grey, blue));
    }
  }
  return blended;
}
