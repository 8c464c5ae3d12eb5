import { lengthOf } from "./measure.js";
import { fetchPixels } from "./pixels.js";
import { Renderer } from "./renderer.js";

// One picture with its map, and what the server says of its values.
export class Pane {
  /** @type {any} what the server says of the values */
  greyScale;

  constructor() {
    this.renderer = new Renderer();
  }

  setPicture(id, greyScale, picture) {
    this.renderer.setPicture(picture);
    Object.assign(this, { id, greyScale });
  }

  // The picture of another pane, for another map of it.
  share({ id, greyScale, renderer }) {
    this.renderer.share(renderer);
    Object.assign(this, { id, greyScale, isSame: true });
  }

  // Gradio may tell a message twice, and an older one in between; pixels are sent once.
  async fetchMap(announced) {
    if (this.fetched?.name !== announced.name) {
      this.fetched = { name: announced.name, map: await fetchPixels(announced) };
    }
    this.renderer.setMap(this.fetched.map);
  }

  dropMap() {
    this.renderer.setMap(null);
    this.link = "";
  }

  // The read-out of a place: where, what value the file holds, how strong the map is.
  says(pixel, ruler) {
    const { slope, offset, spacing } = this.greyScale;
    const { value, step } = this.renderer.at(pixel);
    const words = [`x ${Math.floor(pixel.x)}, y ${Math.floor(pixel.y)}`];
    words.push(`grey value ${Number((slope * value + offset).toPrecision(6))}`);
    if (step !== null) words.push(`heat map ${Math.round((100 * step) / 255)} %`);
    if (ruler) words.push(`length ${lengthOf(ruler, spacing)}${spacing ? ` (${spacing.says})` : ""}`);
    return words.join(" · ");
  }
}
