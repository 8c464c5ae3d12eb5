// The part of a picture that a panel shows, at the panel's own resolution.

// For one axis: which two pixels each place of the panel lies between, and how far it is from the
// first, in 256ths; -1 where it lies outside the picture. By pixel, the distance is 0.
function axis(places, length, level, centre, scale, smooth) {
  const size = Math.ceil(length / 2 ** level);
  const first = new Int32Array(places);
  const second = new Int32Array(places);
  const share = new Int32Array(places);
  for (let place = 0; place < places; place++) {
    const at = centre + (place + 0.5 - places / 2) / scale;
    if (at < 0 || at >= length) {
      first[place] = -1;
      continue;
    }
    const inLevel = at / 2 ** level;
    const from = smooth ? Math.max(inLevel - 0.5, 0) : inLevel;
    first[place] = Math.min(Math.floor(from), size - 1);
    second[place] = Math.min(first[place] + 1, size - 1);
    share[place] = smooth ? Math.round((from - first[place]) * 256) : 0;
  }
  return { first, second, share };
}

// Samples a picture for a panel of width x height places.
//
// view: x and y, the place of the picture in the panel's middle; scale, places per pixel; smooth.
// Returns an array of the picture's own type; `inside` says which places lie on the picture.
export function sample(pyramid, view, width, height, into) {
  const wanted = view.scale < 1 ? Math.floor(Math.log2(1 / view.scale)) : 0;
  const level = pyramid.level(wanted);
  const full = pyramid.levels[0];
  const { values, width: stride } = pyramid.levels[level];
  const columns = axis(width, full.width, level, view.x, view.scale, view.smooth);
  const rows = axis(height, full.height, level, view.y, view.scale, view.smooth);
  for (let y = 0, at = 0; y < height; y++) {
    if (rows.first[y] < 0) {
      at += width;
      continue;
    }
    const [top, bottom, down] = [rows.first[y] * stride, rows.second[y] * stride, rows.share[y]];
    for (let x = 0; x < width; x++, at++) {
      const left = columns.first[x];
      if (left < 0) continue;
      const across = columns.share[x];
      if ((down | across) === 0) {
        into[at] = values[top + left];
        continue;
      }
      const right = columns.second[x];
      const above = values[top + left] * (256 - across) + values[top + right] * across;
      const below = values[bottom + left] * (256 - across) + values[bottom + right] * across;
      into[at] = (above * (256 - down) + below * down + 32768) / 65536;
    }
  }
  return { columns, rows };
}
