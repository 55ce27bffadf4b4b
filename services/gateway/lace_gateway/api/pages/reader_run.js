// A run while it works: how far it is, what it does, what each step came to.
"use strict";

import { events, read } from "./reader_api.js";
import { element, problem } from "./reader_parts.js";

const STEPS = {
  load: "reading the request", resolve: "fixing settings and prompts", intent: "understanding the task",
  sources: "surveying the sources", outline: "planning the document", context: "gathering evidence",
  strategy: "planning the section", llm: "writing", verify: "checking against the evidence",
  apply: "putting it together", validate: "checking the document", snapshot: "taking up the document",
  compile: "making the files", import: "looking into the inbox", ingest: "reading the documents",
  survey: "surveying the sources", facts: "taking facts out",
};

function doing(part) {
  const step = STEPS[part.step] || part.step;
  return part.node_title ? `${step} · ${part.node_title}` : step;
}

class RunPage {
  constructor(run) {
    this.bar = element("progress", { max: "100", value: String(run.progress_pct) }, `${run.progress_pct} %`);
    this.state = element("p", { role: "status" }, run.state);
    this.log = element("ol", { class: "log", reversed: true });
    this.end = element("div", {});
    this.element = element("section", {}, element("h1", {}, run.title || run.pipeline_id),
      element("p", { class: "muted" }, `${run.pipeline_id} · ${run.run_id}`), this.bar, this.state, this.end, this.log);
    this.percent = 0;
    this.run = run;
  }

  take(event) {
    const payload = event.payload || {};
    const back = event.event_type === "pipeline.run.restart.requested";
    this.percent = back ? event.progress_pct : Math.max(this.percent, event.progress_pct);
    this.bar.value = this.percent;
    if (payload.step_started) this.tell(`${Math.round(this.percent)} %  ${doing(payload.step_started)}`);
    else if (!event.step_id && event.status) this.tell(`${Math.round(this.percent)} %  ${event.status}`);
    if (payload.step_completed) this.note(doing(payload.step_completed), payload.step_completed.summary);
    if (payload.warning) this.note("warning", payload.warning.message || "");
    if (payload.compile_result) this.note(`file ${payload.compile_result.target}`, payload.compile_result.ok ? "made" : payload.compile_result.message);
    if (payload.run_completed) this.completed(payload.run_completed);
    if (payload.run_failed) this.end.replaceChildren(problem({ message: payload.run_failed.message, code: payload.run_failed.error_code }));
  }

  tell(text) {
    this.state.textContent = text;
  }

  note(what, came) {
    const short = came && came.length > 160 ? `${came.slice(0, 159)}…` : came || "";
    this.log.prepend(element("li", {}, element("span", {}, what), element("span", { class: "muted" }, short)));
  }

  completed(result) {
    this.percent = this.bar.value = 100;
    const kept = result.review_items ? `; ${result.review_items} kept back for a person to decide` : "";
    const said = result.sentences ? `${result.cited_sentences} of ${result.sentences} sentences cited to ${result.cited_sources} sources${kept}. ` : "";
    const id = result.artifact_id || this.run.artifact_id;
    this.end.replaceChildren(element("p", {}, said, id ? element("a", { href: `#/documents/${encodeURIComponent(id)}` }, "Read the document") : ""));
  }
}

export async function runView(id, signal) {
  const run = await read(`/v1/runs/${encodeURIComponent(id)}`);
  const page = new RunPage(run);
  (async () => {
    try {
      for await (const event of events(id, signal)) page.take(event);
    } catch (error) {
      if (!signal.aborted) page.end.replaceChildren(problem(error));
    }
  })();
  return { title: run.title || run.pipeline_id, element: page.element };
}
