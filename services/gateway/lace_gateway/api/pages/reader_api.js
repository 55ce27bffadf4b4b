// What the page asks of the API: its own origin alone, with the token that the reader gave to this tab.
"use strict";

const KEPT = "lace-token";

export class Problem extends Error {
  constructor(status, answer) {
    super(answer.message || `The server answered ${status}.`);
    this.status = status;
    this.code = answer.error_code || "";
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEPT) || "",
  keep: (text) => sessionStorage.setItem(KEPT, text.trim()),
  forget: () => sessionStorage.removeItem(KEPT),
};

function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return "reader-" + Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function asked(path, options = {}) {
  const headers = { authorization: `Bearer ${token.get()}`, ...options.headers };
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

export async function read(path) {
  return (await asked(path)).json();
}

export async function post(path, body) {
  const headers = { "content-type": "application/json", "idempotency-key": newKey() };
  return (await asked(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

// All members of a list that comes in pages, at most `most` of them.
export async function readAll(path, name, most = 5000) {
  const found = [];
  let next = "";
  do {
    const page = await read(path + (next ? `${path.includes("?") ? "&" : "?"}page_token=${encodeURIComponent(next)}` : ""));
    found.push(...page[name]);
    next = page.next_page_token;
  } while (next && found.length < most);
  return found;
}

function eventOf(frame) {
  const data = frame.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5));
  return data.length ? JSON.parse(data.join("\n")) : null;
}

async function* framesOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let kept = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const frames = (kept + value).split("\n\n");
    kept = frames.pop();
    yield* frames;
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Every event of a run from its first to its last, over as many connections as that takes. A token in a header stays
// out of addresses and logs, which is why this is no EventSource.
export async function* events(runId, signal) {
  const path = `/v1/runs/${encodeURIComponent(runId)}/stream`;
  let last = "";
  while (!signal.aborted) {
    try {
      const answer = await asked(path, { signal, headers: last ? { "last-event-id": last } : {} });
      for await (const frame of framesOf(answer)) {
        const event = eventOf(frame);
        if (!event || !event.event_id) continue;
        last = event.event_id;
        yield event;
        if (/^pipeline\.run\.(completed|failed|cancelled)$/.test(event.event_type)) return;
      }
    } catch (error) {
      if (signal.aborted || (error instanceof Problem && error.status < 500)) throw error;
    }
    await pause(1000);
  }
}
