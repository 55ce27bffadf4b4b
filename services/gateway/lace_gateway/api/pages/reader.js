// The page for readers: documents and runs, one at a time, by the address after #. Nothing comes from elsewhere.
"use strict";

import { post, Problem, read, token } from "./reader_api.js";
import { documentView } from "./reader_document.js";
import { element, problem, table, when } from "./reader_parts.js";
import { runView } from "./reader_run.js";

const view = document.getElementById("view");
const leave = document.getElementById("leave");
let leaving = new AbortController();

function gate(message) {
  const given = element("input", { type: "password", autocomplete: "off", "aria-label": "Token", placeholder: "lace_…", required: true });
  const onsubmit = (event) => {
    event.preventDefault();
    token.keep(given.value);
    show();
  };
  return { title: "LACE", element: element("section", {}, element("h1", {}, "Whose documents?"),
    element("p", {}, "Paste the token that ", element("code", {}, "lace up"), " printed. This tab keeps it until it is closed."),
    message ? problem({ message, code: "" }) : null,
    element("form", { onsubmit }, given, element("button", {}, "Show them"))) };
}

function writing(told) {
  const title = element("input", { "aria-label": "Title", placeholder: "What the reports say about costs", required: true, maxlength: "500" });
  const onsubmit = async (event) => {
    event.preventDefault();
    try {
      const started = await post("/v1/runs/generate", { title: title.value });
      location.hash = `#/runs/${encodeURIComponent(started.run_id)}`;
    } catch (error) {
      told.replaceChildren(problem(error));
    }
  };
  return element("form", { onsubmit }, title, element("button", {}, "Write it"));
}

function documentRow(one) {
  const address = `#/documents/${encodeURIComponent(one.artifact_id)}`;
  return [element("a", { href: address }, one.title || "(untitled)"), when(one.updated_at), element("code", {}, one.artifact_id)];
}

function runRow(one) {
  const address = `#/runs/${encodeURIComponent(one.run_id)}`;
  const state = one.error_code ? `${one.state} [${one.error_code}]` : one.state;
  return [element("a", { href: address }, one.title || one.pipeline_id), one.pipeline_id, state, `${Math.round(one.progress_pct)} %`, when(one.created_at)];
}

async function homeView() {
  const [artifacts, runs] = await Promise.all([read("/v1/artifacts?page_size=50"), read("/v1/runs?page_size=20")]);
  const told = element("div", {});
  const documents = artifacts.artifacts.length
    ? table("", ["Title", "Changed", "Id"], artifacts.artifacts.map(documentRow))
    : element("p", {}, "There is none yet.");
  return { title: "LACE", element: element("section", {}, element("h1", {}, "Documents"), documents,
    element("h2", {}, "Write one"), element("p", { class: "muted" }, "Out of all sources that were given (lace ingest)."), writing(told), told,
    element("h2", {}, "Runs"), table("", ["Document", "Pipeline", "State", "Done", "Asked for"], runs.runs.map(runRow))) };
}

async function viewOf(address, signal) {
  if (!token.get()) return gate("");
  const [, kind, id] = address.match(/^#\/(documents|runs)\/([^/]+)$/) || [];
  try {
    if (kind === "documents") return await documentView(decodeURIComponent(id));
    if (kind === "runs") return await runView(decodeURIComponent(id), signal);
    return await homeView();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) {
      token.forget();
      return gate(error.message);
    }
    return { title: "LACE", element: element("section", {}, problem(error), element("a", { href: "#/" }, "All documents")) };
  }
}

async function show() {
  leaving.abort();
  const own = (leaving = new AbortController());
  view.setAttribute("aria-busy", "true");
  const made = await viewOf(location.hash, own.signal);
  if (own.signal.aborted) return;
  view.replaceChildren(made.element);
  view.removeAttribute("aria-busy");
  document.title = made.title === "LACE" ? "LACE" : `${made.title} – LACE`;
  leave.hidden = !token.get();
  window.scrollTo(0, 0);
}

leave.addEventListener("click", () => {
  token.forget();
  show();
});
window.addEventListener("hashchange", show);
show();
