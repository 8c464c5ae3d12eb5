// Pixels from the server: one array of 8 or 16 bits, high values are dense.

// Fetches the array that a message announces.
export async function fetchPixels({ name, width, height, bits }) {
  const response = await fetch(new URL(`pixels/${name}`, document.baseURI));
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const buffer = await response.arrayBuffer();
  // Browsers run on little-endian machines only, and so is what is sent.
  const values = bits === 16 ? new Uint16Array(buffer) : new Uint8Array(buffer);
  if (values.length !== width * height) throw new Error("the picture came incomplete");
  return { values, width, height, max: 2 ** bits - 1 };
}

export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

// The picture at half the size, each pixel the mean of four; an odd last row or column stands alone.
function half({ values, width, height, max }) {
  const [w, h] = [(width + 1) >> 1, (height + 1) >> 1];
  const halved = new values.constructor(w * h);
  for (let y = 0, at = 0; y < h; y++) {
    const top = 2 * y * width;
    const bottom = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < w; x++, at++) {
      const [left, right] = [2 * x, Math.min(2 * x + 1, width - 1)];
      const sum =
        values[top + left] + values[top + right] + values[bottom + left] + values[bottom + right];
      halved[at] = (sum + 2) >> 2;
    }
  }
  return { values: halved, width: w, height: h, max };
}

// The picture and its halves, made when they are first asked for.
export class Pyramid {
  constructor(picture) {
    this.levels = [picture];
  }

  level(wanted) {
    while (this.levels.length <= wanted) {
      const last = this.levels.at(-1);
      if (last.width === 1 && last.height === 1) break;
      this.levels.push(half(last));
    }
    return Math.min(wanted, this.levels.length - 1);
  }
}
