"""The intermediate representation: encoding, round trips, order, and every stored version."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core import ir
from lace_core.canonical import canonical_json
from lace_core.migrations.stored import stored_of

from .strategies import artifacts, blocks, broken_artifacts, planted, texts, to_json

_GOLDEN = Path(__file__).parents[2] / "golden" / "ir"


@settings(max_examples=100)
@given(artifacts | broken_artifacts)
def test_the_fast_encoder_writes_canonical_json(artifact: ir.Artifact) -> None:
    assert ir.encode(artifact) == canonical_json(to_json(artifact))


@settings(max_examples=100)
@given(artifacts | broken_artifacts)
def test_a_document_comes_back_as_it_was(artifact: ir.Artifact) -> None:
    assert ir.decode(ir.encode(artifact)) == artifact


@given(texts)
def test_an_opaque_block_keeps_every_byte(raw: str) -> None:
    block = ir.Opaque(block_id="blk_1", raw=raw)
    document = ir.Artifact(
        artifact_id="art_1",
        title="",
        nodes=(ir.Node(node_id="n", parent_id=None, order_key="i", title="", blocks=(block,)),),
    )
    kept = ir.decode(ir.encode(document)).nodes[0].blocks[0]
    assert isinstance(kept, ir.Opaque)
    assert kept.raw.encode() == raw.encode()


@given(blocks)
def test_every_cited_part_belongs_to_its_block(block: ir.Block) -> None:
    parts = list(ir.cited_parts(block))
    assert all(part.block_id == block.block_id for part in parts)
    assert not (isinstance(block, ir.Opaque) and parts)


def test_a_row_without_citations_has_those_of_its_table() -> None:
    row = ir.Row(row_id="r", cells=("a", "b"))
    table = ir.Table(block_id="t", header=("x", "y"), rows=(row,), evidence_ids=("evd_a",))
    assert [(part.text, part.evidence_ids) for part in ir.cited_parts(table)] == [("a | b", ("evd_a",))]


@pytest.mark.parametrize("path", sorted(_GOLDEN.glob("artifact_v?.json")), ids=lambda path: path.stem)
def test_every_stored_version_still_loads_and_hashes_alike(path: Path) -> None:
    stored = stored_of(path.read_bytes())
    hashes = json.loads(path.with_suffix(".hashes.json").read_text())
    assert (stored.ir_hash(), stored.content_hash()) == (hashes["ir_hash"], hashes["content_hash"])
    assert stored.data() == path.read_bytes()
    assert stored.artifact.ir_schema_version == ir.IR_SCHEMA_VERSION
    assert ir.decode(path.read_bytes()) == stored.artifact


def test_the_stored_document_holds_every_kind_of_block() -> None:
    stored = ir.decode((_GOLDEN / f"artifact_v{ir.IR_SCHEMA_VERSION}.json").read_bytes())
    assert {type(block) for node in stored.nodes for block in node.blocks} == set(ir.Block.__args__)


@pytest.mark.parametrize(
    "change",
    [
        {"ir_schema_version": 3},
        {"ir_schema_version": 0},
        {"unknown": 1},
        {"title": None},
        {"nodes": [{"node_id": "n"}]},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object]) -> None:
    form = to_json(planted()) | change
    with pytest.raises(ValueError):
        ir.decode(msgspec.json.encode(form))


def test_values_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        planted().title = "other"  # type: ignore[misc]


def test_nodes_are_found_by_id_and_walked_in_order() -> None:
    document = planted()
    walked = [(depth, node.title) for depth, node in document.walk()]
    assert walked == [(0, "Root"), (1, "One"), (2, "Nested"), (1, "Two"), (1, "Three")]
    assert document.node(document.nodes[2].node_id) is document.nodes[2]
    assert document.root.title == "Root"
    assert [node.title for node in document.children(document.root.node_id)] == ["One", "Two", "Three"]


def test_what_is_not_there_is_a_lookup_error() -> None:
    empty = ir.Artifact(artifact_id="art_1", title="")
    with pytest.raises(LookupError):
        _ = empty.root
    with pytest.raises(LookupError):
        empty.node("nod_1")


@settings(max_examples=100)
@given(broken_artifacts)
def test_a_walk_ends_even_where_ids_repeat(artifact: ir.Artifact) -> None:
    assert sum(1 for _ in artifact.walk()) <= len(artifact.nodes)


@given(st.permutations(range(5)))
def test_the_order_of_siblings_does_not_hang_on_how_they_are_stored(order: list[int]) -> None:
    document = planted()
    mixed = msgspec.structs.replace(document, nodes=tuple(document.nodes[at] for at in order))
    assert list(mixed.walk()) == list(document.walk())
