"""Documents, actions and proposals of every shape, for property tests of the engine."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Policy, apply
from lace_core.canonical import sha256_hex

# no surrogates, which are no Unicode text; combining marks on purpose
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8) | st.sampled_from(
    ["The pump failed.", "e\u0301", "a | b", "12 mm", ""]
)
keys = st.sampled_from([f"key-{n}" for n in range(12)])
_words = st.none() | st.lists(texts, max_size=2).map(tuple)
constraints = st.builds(
    ir.Constraints,
    must_cite=st.none() | st.booleans(),
    no_split=st.none() | st.booleans(),
    min_citations_per_block=st.none() | st.integers(0, 3),
    max_words=st.none() | st.integers(0, 50),
    min_words=st.none() | st.integers(0, 50),
    audience=st.none() | texts,
    language=st.none() | texts,
    glossary=_words,
    forbidden_phrases=_words,
    allowed_fact_ids=_words,
    locked=st.lists(
        st.sampled_from(["must_cite", "max_words", "audience", "forbidden_phrases", "unknown"]), max_size=3, unique=True
    ).map(tuple),
)


def evidence(name: str, quote: str) -> ir.Evidence:
    """Evidence whose hash and span fit its quote."""
    return ir.Evidence(
        evidence_id=f"evd_{name}",
        source_id="src_1",
        source_version="v1",
        unit_id="unt_1",
        extraction="x1",
        start=0,
        end=len(quote),
        quote=quote,
        quote_hash=sha256_hex(quote.encode()),
    )


EVIDENCE = tuple(evidence(name, quote) for name, quote in (("a", "The pump failed."), ("b", "12 mm"), ("c", "é")))
cited = st.lists(st.sampled_from(["evd_a", "evd_b", "evd_c", "evd_missing"]), max_size=2, unique=True).map(tuple)
_sentences = st.lists(
    st.builds(ir.Sentence, sentence_id=texts, text=texts, evidence_ids=cited), min_size=0, max_size=3
).map(tuple)
_items = st.lists(st.builds(ir.ListItem, item_id=texts, text=texts, evidence_ids=cited), max_size=3).map(tuple)
_rows = st.lists(
    st.builds(ir.Row, row_id=texts, cells=st.lists(texts, min_size=1, max_size=2).map(tuple), evidence_ids=cited),
    max_size=2,
).map(tuple)
blocks: st.SearchStrategy[Any] = st.one_of(
    st.builds(ir.Paragraph, block_id=texts, sentences=_sentences),
    st.builds(ir.Quote, block_id=texts, sentences=_sentences),
    st.builds(ir.Callout, block_id=texts, tone=st.just("note"), sentences=_sentences),
    st.builds(ir.ListBlock, block_id=texts, items=_items, ordered=st.booleans()),
    st.builds(
        ir.Table,
        block_id=texts,
        header=st.lists(texts, min_size=1, max_size=2).map(tuple),
        rows=_rows,
        caption=texts,
        evidence_ids=cited,
    ),
    st.builds(ir.Code, block_id=texts, text=texts, language=texts, evidence_ids=cited),
    st.builds(ir.Figure, block_id=texts, uri=texts, alt=texts, caption=texts, evidence_ids=cited),
    st.builds(ir.Equation, block_id=texts, tex=texts, evidence_ids=cited),
    st.builds(ir.Opaque, block_id=texts, raw=texts),
)
_given = st.lists(st.sampled_from(EVIDENCE), max_size=3, unique_by=lambda e: e.evidence_id).map(tuple)


def actions(node_ids: list[str], block_ids: list[str]) -> st.SearchStrategy[act.Action]:
    """Actions on these nodes and blocks, and on some that are not there."""
    node = st.sampled_from([*node_ids, "nod_unknown"])
    block = st.sampled_from([*block_ids, "blk_unknown"])
    after_node = st.sampled_from(["", act.LAST, *node_ids, "nod_unknown"])
    after_block = st.sampled_from(["", act.LAST, *block_ids])
    return st.one_of(
        st.builds(
            act.InsertNode,
            key=keys,
            parent_id=st.none() | node,
            title=texts,
            after_id=after_node,
            brief=texts,
            constraints=constraints,
        ),
        st.builds(act.UpdateNode, key=keys, node_id=node, title=st.none() | texts, brief=st.none() | texts),
        st.builds(act.MoveNode, key=keys, node_id=node, parent_id=node, after_id=after_node),
        st.builds(act.RemoveNode, key=keys, node_id=node),
        st.builds(act.SetNodeState, key=keys, node_id=node, state=st.sampled_from(ir.NodeState)),
        st.builds(act.SetConstraints, key=keys, node_id=node, constraints=constraints),
        st.builds(act.SetSummary, key=keys, node_id=node, summary=texts),
        st.builds(act.InsertBlock, key=keys, node_id=node, block=blocks, after_id=after_block, evidence=_given),
        st.builds(act.ReplaceBlock, key=keys, block_id=block, block=blocks, evidence=_given),
        st.builds(act.MoveBlock, key=keys, block_id=block, node_id=node, after_id=after_block),
        st.builds(act.RemoveBlock, key=keys, block_id=block),
    )


def names_of(artifact: ir.Artifact) -> tuple[list[str], list[str]]:
    """The ids of a document's nodes and blocks."""
    return (
        [node.node_id for node in artifact.nodes],
        [block.block_id for node in artifact.nodes for block in node.blocks],
    )


SOURCE = ir.Source(source_id="src_1", version="v1", filename="a.md", title="A", media_type="text/markdown")


def planted(artifact_id: str = "art_1") -> ir.Artifact:
    """A document of a root with three sections, two of them with blocks, one section nested."""
    start = ir.Artifact(artifact_id=artifact_id, title="Pumps", sources=(SOURCE,))

    def node(key: str, parent: str | None) -> ir.Artifact:
        nonlocal start
        inserted = act.InsertNode(key=key, parent_id=parent, title=key.title())
        start = apply(start, act.Proposal(base_hash="", actions=(inserted,)), Policy(on_conflict="rebase")).artifact
        return start

    root = node("root", None).nodes[0].node_id
    for key in ("one", "two", "three"):
        node(key, root)
    first = start.children(root)[0].node_id
    node("nested", first)
    written = tuple(
        act.InsertBlock(key=f"block-{n}", node_id=target, block=block, evidence=EVIDENCE)
        for n, (target, block) in enumerate(
            (
                (first, paragraph("The pump failed.", "evd_a")),
                (first, paragraph("It is 12 mm wide and quite long.", "evd_b")),
                (start.children(root)[1].node_id, paragraph("The pump failed.", "evd_a")),
            )
        )
    )
    return apply(start, act.Proposal(base_hash="", actions=written), Policy(on_conflict="rebase")).artifact


def paragraph(text: str, *evidence_ids: str) -> ir.Paragraph:
    """A paragraph of one sentence."""
    return ir.Paragraph(block_id="", sentences=(ir.Sentence(sentence_id="", text=text, evidence_ids=evidence_ids),))


@st.composite
def artifacts(draw: st.DrawFn) -> ir.Artifact:
    """Documents that apply made: the planted one after some arbitrary actions."""
    document = planted(draw(st.sampled_from(["art_1", "art_2"])))
    for _ in range(draw(st.integers(0, 4))):
        action = draw(actions(*names_of(document)))
        policy = Policy(may_remove=draw(st.booleans()), on_conflict="rebase")
        document = apply(document, act.Proposal(base_hash="", actions=(action,)), policy).artifact
    return document


@st.composite
def broken_artifacts(draw: st.DrawFn) -> ir.Artifact:
    """Documents that need not be trees: parents missing or in circles, ids and order keys repeated."""
    some = st.sampled_from(["n1", "n2", "n3"])
    nodes = draw(
        st.lists(
            st.builds(
                ir.Node,
                node_id=some,
                parent_id=st.none() | some,
                order_key=st.sampled_from(["i", "r", "a0", "", "É"]),
                title=texts,
                state=st.sampled_from(ir.NodeState),
                blocks=st.lists(blocks, max_size=2).map(tuple),
            ),
            max_size=4,
        )
    )
    return ir.Artifact(artifact_id="art_b", title="", nodes=tuple(nodes))


def to_json(value: Any) -> Any:
    """What canonical JSON is asked to write for a value of the IR."""
    return msgspec.to_builtins(value)
