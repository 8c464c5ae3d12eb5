// What Gradio and the page's own code add to what a browser knows, for the type checker alone.

interface Element {
  viewer?: any;
}
interface HTMLElement {
  popover: string | null;
  showPopover(): void;
  hidePopover(): void;
  togglePopover(): boolean;
}
interface Window {
  gradio_config: any;
}
declare class OffscreenCanvas extends EventTarget {
  constructor(width: number, height: number);
  width: number;
  height: number;
  getContext(kind: "2d"): CanvasRenderingContext2D;
  convertToBlob(): Promise<Blob>;
}
declare class DecompressionStream {
  constructor(format: "deflate-raw");
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<BufferSource>;
}
declare const element: HTMLElement; // the component, for code that Gradio runs when it loads it
