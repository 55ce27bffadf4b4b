// A document with its contents, its citations, what each rests on, and what was kept out of it.
"use strict";

import { read, readAll } from "./reader_api.js";
import { element, marked, problem, table, when } from "./reader_parts.js";

const KINDS = ["paragraph", "list", "table", "quote", "callout", "code", "equation", "figure", "opaque"];
const FORMATS = { md: "Markdown", docx: "Word", pdf: "PDF", owl: "OWL" };

// Numbers each piece of evidence at its first citation, as the compiled files do.
class Citations {
  constructor(nodes, show) {
    this.evidence = new Map(nodes.flatMap((node) => node.evidence).map((one) => [one.evidence_id, one]));
    this.numbers = new Map();
    this.show = show;
  }

  marks(ids, text, partId) {
    const numbers = [...new Set(ids)].filter((id) => this.evidence.has(id)).map((id) => {
      if (!this.numbers.has(id)) this.numbers.set(id, this.numbers.size + 1);
      return [this.numbers.get(id), id];
    });
    return numbers.sort((one, other) => one[0] - other[0]).map(([number, id]) => element("button", {
      class: "cite", type: "button", "aria-label": `Citation ${number}`, "aria-pressed": "false",
      onclick: (event) => this.show(event.currentTarget, number, this.evidence.get(id), text, partId),
    }, `[${number}]`));
  }

  passage(text, ids, partId) {
    return [text, ...this.marks(ids, text, partId), " "];
  }

  sentences(sentences) {
    return sentences.flatMap((one) => this.passage(one.text, one.evidence_ids, one.sentence_id));
  }
}

function tableOf(block, citations, number) {
  const caption = [element("strong", {}, `Table ${number} `), block.caption, ...citations.marks(block.evidence_ids, block.caption)];
  const rows = block.rows.map((row) => {
    const marks = citations.marks(row.evidence_ids, row.cells.join(" | "), row.row_id);
    return row.cells.map((cell, at) => (at + 1 === row.cells.length ? [cell, ...marks] : cell));
  });
  return table(caption, block.header, rows);
}

function blockOf(block, citations, counts) {
  const kind = KINDS.find((one) => block[one]);
  const content = block[kind] || {};
  switch (kind) {
    case "paragraph": return element("p", {}, citations.sentences(content.sentences));
    case "quote": return element("blockquote", {}, citations.sentences(content.sentences));
    case "callout": return element("div", { class: "callout" }, citations.sentences(content.sentences));
    case "list": return element(content.ordered ? "ol" : "ul", {}, content.items.map(
      (item) => element("li", {}, citations.passage(item.text, item.evidence_ids, item.item_id))));
    case "table": return tableOf(content, citations, ++counts.tables);
    case "figure": return element("p", {}, element("em", {}, content.alt), ` ${content.caption}`,
      citations.marks(content.evidence_ids, content.caption));
    case "code": case "equation": return element("div", {}, element("pre", {}, content.text || content.tex),
      citations.marks(content.evidence_ids, content.text || content.tex));
    default: return element("pre", {}, content.raw || "");
  }
}

// Levels and numbers of headings; one that repeats the heading right above it is not shown again.
function headingsOf(title, nodes) {
  const levels = new Map();
  const counters = [];
  let above = title;
  return nodes.map((node) => {
    const parent = node.parent_id ? levels.get(node.parent_id) || 0 : 0;
    const repeats = !node.title || node.title.toLowerCase() === above.toLowerCase();
    levels.set(node.node_id, repeats ? parent : parent + 1);
    if (!repeats) {
      counters.length = Math.min(counters.length, parent + 1);
      while (counters.length <= parent) counters.push(0);
      counters[parent] += 1;
      above = node.title;
    }
    if (node.blocks.length) above = "";
    return repeats ? null : { level: parent + 1, number: counters.join("."), title: node.title, id: node.node_id };
  });
}

function bodyOf(artifact, headings, citations) {
  const counts = { tables: 0 };
  return artifact.nodes.flatMap((node, at) => {
    const heading = headings[at];
    const blocks = node.blocks.map((block) => blockOf(block, citations, counts));
    if (!heading) return blocks;
    const name = `h${Math.min(heading.level + 1, 4)}`;
    return [element(name, { id: heading.id }, element("span", { class: "number" }, heading.number), heading.title), ...blocks];
  });
}

function contentsOf(headings) {
  const jump = (id) => (event) => {
    event.preventDefault();
    document.getElementById(id).scrollIntoView({ behavior: "smooth" });
  };
  return element("nav", { class: "contents", "aria-label": "Contents" }, element("ol", {}, headings.filter(Boolean).map(
    (one) => element("li", { style: `padding-left: ${one.level - 1}rem` },
      element("a", { href: `#${one.id}`, onclick: jump(one.id) }, `${one.number} ${one.title}`)))));
}

function verdictOf(found) {
  if (!found) return null;
  const layers = found.layers.map((one) => element("li", {}, element("span", { class: one.verdict }, one.verdict), ` ${one.layer}: ${one.finding}`));
  const by = found.acceptance && found.acceptance.accepted_by ? ` by ${found.acceptance.accepted_by}: ${found.acceptance.reason}` : "";
  return element("details", {}, element("summary", {}, "Verdict on the sentence: ", element("strong", { class: found.verdict }, found.verdict),
    found.standing ? ` (${found.standing}${by})` : ""), element("ul", {}, layers.length ? layers : found.reasons.map((one) => element("li", {}, one))));
}

// The panel: the quote, where it stands in which file, the words around it, and what verification found.
class EvidencePanel {
  constructor(artifact) {
    this.sources = new Map(artifact.sources.map((one) => [one.source_id, one]));
    this.path = `/v1/artifacts/${encodeURIComponent(artifact.artifact_id)}/verdicts?revision_id=${encodeURIComponent(artifact.revision_id)}`;
    this.pressed = null;
    this.element = element("aside", { class: "evidence", "aria-live": "polite", "aria-label": "Evidence" },
      element("p", { class: "muted" }, "Click a number in the text: here you see the words of the source that it rests on."));
  }

  verdicts() {
    this.found = this.found || readAll(this.path, "verdicts").then((all) => new Map(all.map((one) => [one.sentence_id, one])));
    return this.found;
  }

  close() {
    if (this.pressed) this.pressed.setAttribute("aria-pressed", "false");
    if (this.pressed) this.pressed.focus();
    this.pressed = null;
    this.element.classList.remove("open");
  }

  show(button, number, evidence, text, partId) {
    if (this.pressed) this.pressed.setAttribute("aria-pressed", "false");
    this.pressed = button;
    button.setAttribute("aria-pressed", "true");
    const source = this.sources.get(evidence.source_id) || { filename: evidence.source_id, title: "" };
    const place = [evidence.page > 0 ? `page ${evidence.page}` : "", ...evidence.heading_path].filter(Boolean).join(" › ");
    const around = element("div", { class: "muted" }, "…");
    const verdict = element("div", {});
    this.element.replaceChildren(
      element("p", {}, element("strong", {}, `[${number}] ${source.filename}`), " ",
        element("button", { type: "button", onclick: () => this.close() }, "Close")),
      element("p", { class: "muted" }, [source.title, place].filter(Boolean).join(" · ")),
      element("blockquote", {}, evidence.quote), verdict,
      element("h4", {}, "In the source"), around);
    this.element.classList.add("open");
    this.fill(button, evidence, partId, around, verdict);
  }

  async fill(button, evidence, partId, around, verdict) {
    try {
      const found = await read(`/v1/units/${encodeURIComponent(evidence.unit_id)}`);
      around.replaceChildren(...marked(found.unit.text, evidence.start, evidence.end, evidence.quote));
    } catch (error) {
      around.replaceChildren(problem(error));
    }
    const told = await this.verdicts().then((all) => verdictOf(all.get(partId)), () => null);
    if (told && this.pressed === button) verdict.replaceChildren(told);
  }
}

function withheldOf(verdicts) {
  if (!verdicts.length) return element("p", {}, "Nothing was kept out.");
  return element("ul", { class: "withheld" }, verdicts.map((one) => {
    const objections = one.layers.filter((layer) => layer.verdict !== "supported").map((layer) => `${layer.layer}: ${layer.finding}`);
    const why = objections.length ? objections : one.reasons.slice(-1);
    return element("li", {}, element("strong", { class: one.verdict }, one.verdict), ` ${one.text}`,
      why.map((text) => element("div", { class: "muted" }, text)));
  }));
}

async function filesOf(artifact) {
  const all = await readAll(`/v1/compiled/${encodeURIComponent(artifact.artifact_id)}`, "compiled", 200);
  const newest = new Map();
  for (const one of all) {
    const fits = one.revision_id === artifact.revision_id && one.status === "succeeded" && one.download_url;
    if (fits && !newest.has(one.target)) newest.set(one.target, one);
  }
  const links = [...newest.values()].map((one) => element("a", { href: one.download_url, download: one.filename }, FORMATS[one.target] || one.target));
  return links.flatMap((link, at) => (at ? [" · ", link] : [link]));
}

export async function documentView(id) {
  const path = `/v1/artifacts/${encodeURIComponent(id)}`;
  const artifact = await read(`${path}?inline=blocks&inline=evidence`);
  const panel = new EvidencePanel(artifact);
  const citations = new Citations(artifact.nodes, (...given) => panel.show(...given));
  const headings = headingsOf(artifact.title, artifact.nodes);
  const body = bodyOf(artifact, headings, citations);
  const files = element("p", { class: "muted" });
  const withheld = element("div", {}, "…");
  filesOf(artifact).then((links) => files.append(...links), () => null);
  const revision = encodeURIComponent(artifact.revision_id);
  readAll(`${path}/verdicts?in_document=false&revision_id=${revision}`, "verdicts").then(
    (found) => withheld.replaceChildren(withheldOf(found)), (error) => withheld.replaceChildren(problem(error)));
  const told = `${citations.numbers.size} passages of ${artifact.sources.length} sources · ${when(artifact.updated_at)} · ${artifact.revision_id}`;
  const made = element("div", { class: "reading" }, contentsOf(headings), element("article", { class: "text", lang: artifact.language },
    element("h1", {}, artifact.title), element("p", { class: "muted" }, told), files, body.length ? body : element("p", {}, "Nothing is written yet."),
    element("h2", {}, "Withheld"), withheld), panel.element);
  made.addEventListener("keydown", (event) => event.key === "Escape" && panel.close());
  return { title: artifact.title, element: made };
}
