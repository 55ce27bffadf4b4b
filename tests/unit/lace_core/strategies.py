"""Documents, actions and proposals of every shape, made of a drawn seed so that a thousand of them cost a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Policy, apply
from lace_core.canonical import sha256_hex

_T = TypeVar("_T")


def seeded(make: Callable[[Random], _T]) -> st.SearchStrategy[_T]:
    """What `make` makes of a drawn seed."""
    return st.integers(0, 2**32).map(lambda seed: make(Random(seed)))


# no surrogates, which are no Unicode text; combining marks and control characters on purpose
_TEXTS = (
    "", "The pump failed.", "e\u0301", "\u212b", "a | b", "12 mm", "\x00\x1f", '"\\/', "\u2028\x7f", "\U0001f600",
    "long enough to be halved by another text", " ", "\r\n", "ﬁ", "{ }",
)  # fmt: skip
texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(_TEXTS)


def _text(draw: Random) -> str:
    return draw.choice(_TEXTS)


def _some(draw: Random, make: Callable[[Random], _T], most: int = 2, least: int = 0) -> tuple[_T, ...]:
    return tuple(make(draw) for _ in range(draw.randint(least, most)))


def _maybe(draw: Random, value: _T) -> _T | None:
    return value if draw.random() < 0.5 else None


def _term(draw: Random) -> ir.GlossaryTerm:
    return ir.GlossaryTerm(term=_text(draw), definition=_text(draw), avoid=_some(draw, _text))


def _constraints(draw: Random) -> ir.Constraints:
    return ir.Constraints(
        must_cite=_maybe(draw, draw.random() < 0.5),
        no_split=_maybe(draw, draw.random() < 0.5),
        min_citations_per_block=_maybe(draw, draw.randint(0, 3)),
        max_words=_maybe(draw, draw.randint(0, 50)),
        min_words=_maybe(draw, draw.randint(0, 50)),
        audience=_maybe(draw, _text(draw)),
        language=_maybe(draw, _text(draw)),
        glossary=_maybe(draw, _some(draw, _term)),
        forbidden_phrases=_maybe(draw, _some(draw, _text)),
        allowed_fact_ids=_maybe(draw, _some(draw, _text)),
        locked=tuple(
            draw.sample(("must_cite", "max_words", "audience", "forbidden_phrases", "unknown"), draw.randint(0, 3))
        ),
    )


constraints = seeded(_constraints)


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


def _cited(draw: Random) -> tuple[str, ...]:
    return tuple(draw.sample(("evd_a", "evd_b", "evd_c", "evd_missing"), draw.choice((0, 0, 1, 2))))


def _sentence(draw: Random) -> ir.Sentence:
    return ir.Sentence(sentence_id=_text(draw), text=_text(draw), evidence_ids=_cited(draw))


def _item(draw: Random) -> ir.ListItem:
    return ir.ListItem(item_id=_text(draw), text=_text(draw), evidence_ids=_cited(draw))


def _row(draw: Random) -> ir.Row:
    return ir.Row(row_id=_text(draw), cells=_some(draw, _text, 2, 1), evidence_ids=_cited(draw))


def _block(draw: Random) -> ir.Block:
    own, cited = _text(draw), _cited(draw)
    kinds: tuple[Callable[[], ir.Block], ...] = (
        lambda: ir.Paragraph(block_id=own, sentences=_some(draw, _sentence)),
        lambda: ir.Quote(block_id=own, sentences=_some(draw, _sentence)),
        lambda: ir.Callout(block_id=own, tone="note", sentences=_some(draw, _sentence)),
        lambda: ir.ListBlock(block_id=own, items=_some(draw, _item), ordered=draw.random() < 0.5),
        lambda: ir.Table(
            block_id=own,
            header=_some(draw, _text, 2, 1),
            rows=_some(draw, _row),
            caption=_text(draw),
            evidence_ids=cited,
        ),
        lambda: ir.Code(block_id=own, text=_text(draw), language=_text(draw), evidence_ids=cited),
        lambda: ir.Figure(block_id=own, uri=_text(draw), alt=_text(draw), caption=_text(draw), evidence_ids=cited),
        lambda: ir.Equation(block_id=own, tex=_text(draw), evidence_ids=cited),
        lambda: ir.Opaque(block_id=own, raw=_text(draw)),
    )
    return draw.choice(kinds)()


blocks = seeded(_block)


def action(draw: Random, document: ir.Artifact) -> act.Action:
    """An action on a document's nodes and blocks, or on some that are not there."""
    nodes, blocks_of = names_of(document)

    def node() -> str:
        return draw.choice([*nodes, *nodes, "nod_unknown"])

    def block() -> str:
        return draw.choice([*blocks_of, *blocks_of, "blk_unknown"])

    def after(ids: list[str]) -> str:
        return draw.choice(["", act.LAST, *ids])

    key = f"key-{draw.randint(0, 11)}"
    given = tuple(e for e in EVIDENCE if draw.random() < 0.8)
    kinds: tuple[Callable[[], act.Action], ...] = (
        lambda: act.InsertNode(
            key=key,
            parent_id=_maybe(draw, node()),
            title=_text(draw),
            after_id=after(nodes),
            brief=_text(draw),
            constraints=_constraints(draw),
        ),
        lambda: act.UpdateNode(
            key=key, node_id=node(), title=_maybe(draw, _text(draw)), brief=_maybe(draw, _text(draw))
        ),
        lambda: act.MoveNode(key=key, node_id=node(), parent_id=node(), after_id=after(nodes)),
        lambda: act.RemoveNode(key=key, node_id=node()),
        lambda: act.SetNodeState(key=key, node_id=node(), state=draw.choice(list(ir.NodeState))),
        lambda: act.SetConstraints(key=key, node_id=node(), constraints=_constraints(draw)),
        lambda: act.SetSummary(key=key, node_id=node(), summary=_text(draw)),
        lambda: act.InsertBlock(key=key, node_id=node(), block=_block(draw), after_id=after(blocks_of), evidence=given),
        lambda: act.ReplaceBlock(key=key, block_id=block(), block=_block(draw), evidence=given),
        lambda: act.MoveBlock(key=key, block_id=block(), node_id=node(), after_id=after(blocks_of)),
        lambda: act.RemoveBlock(key=key, block_id=block()),
    )
    return draw.choice(kinds)()


def actions(draw: Random, document: ir.Artifact, most: int = 5) -> tuple[act.Action, ...]:
    """Some actions, each made for the document as it is."""
    return tuple(action(draw, document) for _ in range(draw.randint(0, most)))


def names_of(artifact: ir.Artifact) -> tuple[list[str], list[str]]:
    """The ids of a document's nodes and blocks."""
    return (
        [node.node_id for node in artifact.nodes],
        [block.block_id for node in artifact.nodes for block in node.blocks],
    )


def paragraph(text: str, *evidence_ids: str) -> ir.Paragraph:
    """A paragraph of one sentence."""
    return ir.Paragraph(block_id="", sentences=(ir.Sentence(sentence_id="", text=text, evidence_ids=evidence_ids),))


SOURCE = ir.Source(source_id="src_1", version="v1", filename="a.md", title="A", media_type="text/markdown")


@lru_cache
def planted(artifact_id: str = "art_1") -> ir.Artifact:
    """A document of a root with three sections, two of them with blocks, one section nested."""
    document = ir.Artifact(artifact_id=artifact_id, title="Pumps", sources=(SOURCE,))

    def put(*wanted: act.Action) -> ir.Artifact:
        return apply(document, act.Proposal(base_hash="", actions=wanted), Policy(on_conflict="rebase")).artifact

    document = put(act.InsertNode(key="root", parent_id=None, title="Root"))
    root = document.root.node_id
    document = put(*(act.InsertNode(key=key, parent_id=root, title=key.title()) for key in ("one", "two", "three")))
    one, two, _ = (node.node_id for node in document.children(root))
    document = put(act.InsertNode(key="nested", parent_id=one, title="Nested"))
    written = (
        (one, paragraph("The pump failed.", "evd_a")),
        (one, paragraph("It is 12 mm wide and quite long.", "evd_b")),
        (two, paragraph("The pump failed.", "evd_a")),
    )
    return put(
        *(
            act.InsertBlock(key=f"block-{at}", node_id=node_id, block=block, evidence=EVIDENCE)
            for at, (node_id, block) in enumerate(written)
        )
    )


def artifact(draw: Random) -> ir.Artifact:
    """A document that apply made: the planted one after some arbitrary actions."""
    document = planted(draw.choice(("art_1", "art_2")))
    for _ in range(draw.randint(0, 6)):
        policy = Policy(may_remove=draw.random() < 0.5, on_conflict="rebase")
        document = apply(document, act.Proposal(base_hash="", actions=(action(draw, document),)), policy).artifact
    return document


artifacts = seeded(artifact)


def broken_artifact(draw: Random) -> ir.Artifact:
    """A document that need be no tree: parents missing or in circles, ids and order keys repeated."""
    names = ("n1", "n2", "n3")
    nodes = tuple(
        ir.Node(
            node_id=draw.choice(names),
            parent_id=_maybe(draw, draw.choice(names)),
            order_key=draw.choice(("i", "r", "a0", "", "É")),
            title=_text(draw),
            state=draw.choice(list(ir.NodeState)),
            blocks=_some(draw, _block),
        )
        for _ in range(draw.randint(0, 4))
    )
    return ir.Artifact(artifact_id="art_b", title="", nodes=nodes)


broken_artifacts = seeded(broken_artifact)


def to_json(value: Any) -> Any:
    """What canonical JSON is asked to write for a value of the IR."""
    return msgspec.to_builtins(value)
