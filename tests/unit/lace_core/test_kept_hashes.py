"""What is kept with documents (index, hashes) is what would be worked out anew, however a document came to be."""

from __future__ import annotations

import copy
import pickle
from random import Random

import msgspec
import rfc8785
from hypothesis import given, settings

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Policy, apply
from lace_core.canonical import sha256_hex
from lace_core.diff import diff
from lace_core.index import index_of, loose_index
from lace_core.merkle import content_hash, ir_hash, node_hash, subtree_hashes
from lace_core.migrations.stored import content_hash_of_form, ir_hash_of_form

from .strategies import actions, artifact, artifacts, broken_artifacts, planted, seeded, to_json

_FREE = Policy(may_remove=True, on_conflict="overwrite")


def _anew(document: ir.Artifact) -> ir.Artifact:
    """The same document, of which nothing is known yet."""
    return ir.decode(ir.encode(document))


def _history(draw: Random) -> list[ir.Artifact]:
    """A document after each of some proposals; some were hashed on the way, others not."""
    line = [artifact(draw)]
    for place in range(draw.randint(1, 4)):
        if draw.random() < 0.5:
            ir_hash(line[-1]), content_hash(line[-1])
        wanted = tuple(
            msgspec.structs.replace(one, key=f"{place}-{at}") for at, one in enumerate(actions(draw, line[-1], 4))
        )
        line.append(apply(line[-1], act.Proposal(base_hash="", actions=wanted), _FREE).artifact)
    return line


@settings(max_examples=50)
@given(seeded(_history))
def test_after_any_proposals_the_hashes_are_those_of_the_document_read_anew(line: list[ir.Artifact]) -> None:
    document = line[-1]
    fresh = _anew(document)
    assert ir_hash(document) == ir_hash(fresh) == ir_hash_of_form(to_json(fresh))
    assert content_hash(document) == content_hash(fresh) == content_hash_of_form(to_json(fresh))
    assert subtree_hashes(document) == subtree_hashes(fresh)


@settings(max_examples=40)
@given(seeded(_history))
def test_after_any_proposals_the_index_is_that_of_the_document_read_anew(line: list[ir.Artifact]) -> None:
    document = line[-1]
    kept, fresh = index_of(document), index_of(_anew(document))
    assert kept is not None
    assert fresh is not None
    assert (kept.nodes, kept.children, kept.places) == (fresh.nodes, fresh.children, fresh.places)
    assert (kept.homes, kept.is_ordered) == (fresh.homes, True)


@settings(max_examples=40)
@given(seeded(_history))
def test_differences_do_not_hang_on_what_was_known(line: list[ir.Artifact]) -> None:
    assert diff(line[0], line[-1]) == diff(_anew(line[0]), _anew(line[-1]))


@settings(max_examples=60)
@given(artifacts)
def test_a_nodes_own_hash_is_that_of_the_oracle(document: ir.Artifact) -> None:
    for node in document.nodes:
        form = msgspec.json.decode(msgspec.json.encode(node))
        del form["parent_id"]
        assert node_hash(node) == sha256_hex(rfc8785.dumps(form))


def test_what_is_kept_is_no_part_of_the_value() -> None:
    document = planted("art_kept")
    plain = _anew(document)
    ir_hash(document)
    assert document == plain
    assert hash(document) == hash(plain)
    assert ir.encode(document) == ir.encode(plain)
    for again in (copy.copy(document), pickle.loads(pickle.dumps(document)), msgspec.structs.replace(document)):
        assert again == document
        assert again.__dict__ == {}


def test_other_fields_of_a_document_are_hashed_anew() -> None:
    document = planted("art_kept")
    before = ir_hash(document), content_hash(document)
    renamed = msgspec.structs.replace(document, title="Other")
    versions = msgspec.structs.replace(document, sources=(msgspec.structs.replace(document.sources[0], version="v9"),))
    for changed in (renamed, versions):
        assert (ir_hash(changed), content_hash(changed)) == (ir_hash(_anew(changed)), content_hash(_anew(changed)))
        assert before[0] != ir_hash(changed)
        assert before[1] != content_hash(changed)


@settings(max_examples=40)
@given(broken_artifacts)
def test_what_is_no_tree_has_no_index_but_can_be_compared(document: ir.Artifact) -> None:
    ids = [node.node_id for node in document.nodes]
    if index_of(document) is None:
        loose = loose_index(document)
        assert set(loose.nodes) <= set(ids)
    assert diff(document, document).differences == ()


def test_nothing_that_was_not_touched_is_copied() -> None:
    document = planted("art_kept")
    wanted = act.SetSummary(key="k", node_id=document.nodes[1].node_id, summary="S")
    made = apply(document, act.Proposal(base_hash="", actions=(wanted,)), _FREE).artifact
    assert [one is other for one, other in zip(document.nodes, made.nodes, strict=True)] == [
        True,
        False,
        True,
        True,
        True,
    ]
    again = apply(made, act.Proposal(base_hash="", actions=(wanted,)), _FREE).artifact
    assert again is made
