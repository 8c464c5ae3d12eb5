// Which part of the pictures the panels show: the same in all of them.

const MOST = 64;

export class View {
  x = 0.5;
  y = 0.5;
  zoom = 1;

  /** @param {() => void} [onChange] */
  constructor(onChange) {
    this.onChange = onChange;
    this.smooth = true;
    this.fit();
  }

  // x and y: the place in the panels' middle, as shares of the picture's sides. zoom: 1 fits.
  set(x, y, zoom) {
    Object.assign(this, { x, y, zoom: Math.min(Math.max(zoom, 0.01), MOST) });
    this.onChange?.();
  }

  fit() {
    this.set(0.5, 0.5, 1);
  }

  get fits() {
    return this.zoom === 1;
  }

  // The place `at` stays where it is on the screen. Nobody wants to zoom out beyond the whole.
  zoomBy(factor, at = this) {
    const zoom = Math.min(Math.max(this.zoom * factor, Math.min(1, this.zoom)), MOST);
    const kept = this.zoom / zoom;
    this.set(at.x + (this.x - at.x) * kept, at.y + (this.y - at.y) * kept, zoom);
  }

  panBy(x, y) {
    this.set(this.x - x, this.y - y, this.zoom);
  }

  // No part of a panel stays empty that the picture could fill.
  limit(picture, panel) {
    const scale = this.scale(picture, panel);
    const within = (at, half) => (half >= 0.5 ? 0.5 : Math.min(Math.max(at, half), 1 - half));
    this.x = within(this.x, panel.width / (2 * scale * picture.width));
    this.y = within(this.y, panel.height / (2 * scale * picture.height));
  }

  // Panel pixels per pixel of the picture.
  scale(picture, panel) {
    return fitScale(picture, panel) * this.zoom;
  }

  // What `sample` takes.
  of(picture, panel) {
    return {
      x: this.x * picture.width,
      y: this.y * picture.height,
      scale: this.scale(picture, panel),
      smooth: this.smooth,
    };
  }

  // One pixel of the picture becomes one of the screen.
  oneToOne(picture, panel) {
    this.set(this.x, this.y, 1 / fitScale(picture, panel));
  }

  // Between panel pixels and pixels of the picture.
  toPicture(place, picture, panel) {
    const { x, y, scale } = this.of(picture, panel);
    return {
      x: x + (place.x - panel.width / 2) / scale,
      y: y + (place.y - panel.height / 2) / scale,
    };
  }

  toPanel(place, picture, panel) {
    const { x, y, scale } = this.of(picture, panel);
    return {
      x: (place.x - x) * scale + panel.width / 2,
      y: (place.y - y) * scale + panel.height / 2,
    };
  }
}

function fitScale(picture, panel) {
  return Math.min(panel.width / picture.width, panel.height / picture.height);
}
