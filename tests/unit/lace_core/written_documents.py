"""Small documents for tests of suites, out of sections with sentences that quote themselves, and what suites find."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lace_core import ir
from lace_core.suites.facts import Facts
from lace_core.suites.results import CheckResult
from lace_core.suites.running import run_suite
from lace_core.suites.suite import parse

Text = str | tuple[str, str] | ir.Block
"""A sentence of its own paragraph, cited out of the source a; one with the source it is cited out of; or a block."""


def document(*sections: tuple[str, Sequence[Text]], title: str = "Harrow Bay", language: str = "en") -> ir.Artifact:
    """A document with these sections below its root; "> " before a title puts it below the one before."""
    root = ir.Node(node_id="nod_root", parent_id=None, order_key="i", title=title)
    nodes = [root]
    above = [root.node_id]
    for number, (named, texts) in enumerate(sections):
        depth = named.count("> ")
        above[depth + 1 :] = [f"nod_{number}"]
        nodes.append(_node(number, above[depth], named.replace("> ", ""), texts))
    cited = sorted({each.source_id for node in nodes for each in node.evidence})
    sources = tuple(
        ir.Source(source_id=s, version="v", filename=f"{s}.md", title=s, media_type="text/markdown", labels=(s,))
        for s in cited
    )
    return ir.Artifact(artifact_id="art_1", title=title, language=language, nodes=tuple(nodes), sources=sources)


def _node(number: int, parent_id: str, title: str, texts: Sequence[Text]) -> ir.Node:
    blocks: list[ir.Block] = []
    evidence: list[ir.Evidence] = []
    for at, text in enumerate(texts):
        name = f"{number}_{at}"
        if isinstance(text, str | tuple):
            said, source = text if isinstance(text, tuple) else (text, "a")
            evidence += [quoted(f"evd_{name}", said, source)] if source else []
            cited = (f"evd_{name}",) if source else ()
            sentence = ir.Sentence(sentence_id=f"sen_{name}", text=said, evidence_ids=cited)
            blocks.append(ir.Paragraph(block_id=f"blk_{name}", sentences=(sentence,)))
        else:
            blocks.append(text)
    return ir.Node(
        node_id=f"nod_{number}",
        parent_id=parent_id,
        order_key=f"i{number:02}i",
        title=title,
        blocks=tuple(blocks),
        evidence=tuple(evidence),
    )


def quoted(evidence_id: str, quote: str, source: str = "a") -> ir.Evidence:
    """Evidence that quotes a source."""
    return ir.Evidence(
        evidence_id=evidence_id,
        source_id=source,
        source_version="v",
        unit_id=f"unt_{source}",
        extraction="x/1",
        start=0,
        end=len(quote),
        quote=quote,
        quote_hash=hashlib.sha256(quote.encode()).hexdigest(),
    )


def table(name: str, header: Sequence[str], *rows: Sequence[str], caption: str = "") -> ir.Table:
    """A table."""
    made = tuple(ir.Row(row_id=f"row_{name}_{at}", cells=tuple(row)) for at, row in enumerate(rows))
    return ir.Table(block_id=f"blk_{name}", header=tuple(header), rows=made, caption=caption)


def found(rule: str, artifact: ir.Artifact, facts: Facts | None = None) -> CheckResult:
    """What comes of one check, given as the inside of a YAML mapping: `rule: max_depth, at_most: 3`."""
    text = f"lace_suite: 1\nname: one\nchecks:\n- {{{rule}}}\n"
    return run_suite(parse(text), artifact, facts or Facts()).checks[0]


def codes(result: CheckResult) -> list[str]:
    """The codes of its findings."""
    return [finding.code for finding in result.findings]
