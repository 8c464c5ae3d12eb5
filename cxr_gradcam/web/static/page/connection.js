// A server that stops and comes back: what was asked meanwhile waits, what is open stays, and what
// the new server does not know is opened there again.

import { say } from "./notice.js";

const PAGE = document.documentElement;
const EVERY = 1000; // ms between two looks whether the server answers
const HELD = /\/(queue\/join|run\/[^/]+|gradio_api\/upload|worklist\/row)$/;
const STREAM = /\/queue\/data$/;
const DOWN = [502, 504];

/** @type {typeof fetch} */
let ask;
/** @type {Promise<void> | null} */
let waiting = null;
/** @type {() => Promise<void>} */
let restore = async () => {};
/** The events that are being answered, and how many values each gives. @type {Map<string, number>} */
const jobs = new Map();

/**
 * Puts this module between the page and the server.
 * @param {() => Promise<void>} opensAgain called where the server that came back is a new one
 */
export function keepConnection(opensAgain) {
  restore = opensAgain;
  ask = window.fetch.bind(window);
  window.fetch = (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input, document.baseURI);
    if (HELD.test(pathname)) return askUntilAnswered(input, init);
    return STREAM.test(pathname) ? readToTheEnd(input, init) : ask(input, init);
  };
}

async function askUntilAnswered(input, init) {
  for (;;) {
    if (waiting) await held(waiting);
    try {
      const response = await ask(input, init);
      if (!DOWN.includes(response.status)) {
        if (init?.body && String(input).endsWith("queue/join")) await remember(response, init.body);
        return response;
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the reader has stopped it
    }
    waiting ??= untilBack();
  }
}

// A choice that nobody has answered must not look answered.
async function held(promise) {
  PAGE.classList.add("is-unanswered");
  await promise;
  PAGE.classList.remove("is-unanswered");
}

async function remember(response, body) {
  try {
    const { event_id: id } = await response.clone().json();
    const { fn_index: index } = JSON.parse(body);
    const event = window.gradio_config?.dependencies.find((each) => each.id === index);
    if (id && event) jobs.set(id, event.outputs.length);
  } catch {
    // an answer without an event
  }
}

// Where the stream of answers breaks, what it owed changes nothing: Gradio would reload the page.
async function readToTheEnd(input, init) {
  let response;
  try {
    response = await ask(input, init);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    waiting ??= untilBack();
    return new Response(unanswered(), { headers: { "Content-Type": "text/event-stream" } });
  }
  const reader = response.body?.getReader();
  if (!response.ok || !reader) return response;
  const decoder = new TextDecoder();
  const body = new ReadableStream({
    async pull(controller) {
      try {
        const { value, done } = await reader.read();
        if (value) forget(decoder.decode(value, { stream: true }));
        if (value) controller.enqueue(value);
        if (done) end(controller);
      } catch (error) {
        if (error instanceof DOMException && error.name === "AbortError") controller.error(error);
        else end(controller);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, { status: response.status, headers: response.headers });
}

function end(controller) {
  const rest = unanswered();
  if (rest) {
    controller.enqueue(new TextEncoder().encode(rest));
    waiting ??= untilBack();
  }
  controller.close();
}

function forget(text) {
  for (const [, id] of text.matchAll(/"msg":\s*"process_completed".*?"event_id":\s*"(\w+)"/g)) {
    jobs.delete(id);
  }
}

// Messages that end the events that are still being answered, and leave all as it is.
function unanswered() {
  const messages = [...jobs].map(([id, count]) => {
    const data = Array.from({ length: count }, () => ({ __type__: "update" }));
    const output = { data, is_generating: false, duration: 0, average_duration: 0 };
    const message = { msg: "process_completed", event_id: id, output, success: true };
    return `data: ${JSON.stringify(message)}\n\n`;
  });
  jobs.clear();
  return messages.join("");
}

async function untilBack() {
  const known = window.gradio_config?.app_id;
  PAGE.classList.add("is-server-gone");
  say({
    text: "The server does not answer. What is open is kept, and goes on when the server is back.",
    kind: "bad",
  });
  let found = await appId();
  while (found === null) {
    await new Promise((done) => setTimeout(done, EVERY));
    found = await appId();
  }
  waiting = null;
  if (found !== known) {
    window.gradio_config.app_id = found;
    await restore();
  }
  PAGE.classList.remove("is-server-gone");
  say({ text: "The server is back." });
}

async function appId() {
  try {
    const response = await ask(new URL("gradio_api/app_id", document.baseURI));
    return response.ok ? (await response.json()).app_id : null;
  } catch {
    return null;
  }
}
