// Look-up tables: from a stored value to grey, from grey and map to a colour. The arithmetic is that
// of rendering.py (doubles, rounded half up), so that both give the same pixels.

// Canvases are little-endian on every platform that browsers run on: 0xAABBGGRR.
export function pack(red, green, blue) {
  return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
}

export const GREYS = Uint32Array.from({ length: 256 }, (_, grey) => pack(grey, grey, grey));

// A window's greys 0 to 255 for the values 0 to max.
export function windowTable(max, { low, high, invert }) {
  const table = new Uint8ClampedArray(max + 1);
  for (let value = 0; value <= max; value++) {
    const grey = Math.floor(((value - low) / (high - low)) * 255 + 0.5);
    table[value] = invert ? 255 - Math.min(Math.max(grey, 0), 255) : grey;
  }
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
