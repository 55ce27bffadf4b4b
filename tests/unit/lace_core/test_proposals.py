"""Proposals from outside: whatever comes is a proposal, or a code, a pointer and a message that says what to do."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core import actions as act
from lace_core import apply as applying
from lace_core.apply import Policy, apply
from lace_core.proposals import ProposalLimits, ProposalRefused, actions_of, decode_proposal
from lace_core.rejections import REMEDIES

from .strategies import actions, artifact, planted, seeded

_SMALL = ProposalLimits(max_bytes=4000, max_actions=3, max_text=50)
_SUMMARY = {"action": "set_summary", "key": "k", "node_id": "nod_1", "summary": "S"}


def _proposal(*forms: Any, **more: Any) -> bytes:
    return json.dumps({"base_hash": "", "actions": list(forms), **more}).encode()


def _refusal(data: bytes, limits: ProposalLimits = _SMALL) -> tuple[str, str]:
    with pytest.raises(ProposalRefused) as caught:
        decode_proposal(data, limits)
    refused = caught.value
    assert refused.code in REMEDIES
    assert refused.message.endswith(".")
    assert re.fullmatch(r"(/[^/]+)*", refused.pointer)
    return refused.code, refused.pointer


def _block(**values: Any) -> dict[str, Any]:
    return {"action": "insert_block", "key": "k", "node_id": "n", "block": {"block_id": "", **values}}


_BAD: list[tuple[bytes, str, str]] = [
    (b"", "NOT_JSON", ""),
    (b"The document is fine as it is.", "NOT_JSON", ""),
    (b'{"base_hash": "", "actions": [', "NOT_JSON", ""),
    (b'{"base_hash": "", "actions": []} and so on', "NOT_JSON", ""),
    (b'{"base_hash": "", "actions": [NaN]}', "NOT_JSON", ""),
    (b"\xff\xfe", "NOT_JSON", ""),
    (b"null", "NOT_THE_SCHEMA", ""),
    (b"[]", "NOT_THE_SCHEMA", ""),
    (b"{}", "NOT_THE_SCHEMA", ""),
    (b'{"base_hash": "", "actions": {}}', "NOT_THE_SCHEMA", "/actions"),
    (_proposal(_SUMMARY, sudo=True), "NOT_THE_SCHEMA", "/sudo"),
    (_proposal(5), "NOT_THE_SCHEMA", "/actions/0"),
    (_proposal(_SUMMARY, {}), "NOT_THE_SCHEMA", "/actions/1"),
    (_proposal({**_SUMMARY, "action": "drop_table"}), "NOT_THE_SCHEMA", "/actions/0/action"),
    (_proposal({**_SUMMARY, "summary": None}), "NOT_THE_SCHEMA", "/actions/0/summary"),
    (_proposal({**_SUMMARY, "a/b": 1}), "NOT_THE_SCHEMA", "/actions/0/a~1b"),
    (_proposal(_block(type="poem")), "NOT_THE_SCHEMA", "/actions/0/block/type"),
    (
        _proposal(_block(type="paragraph", sentences=[{"sentence_id": "", "text": 5}])),
        "NOT_THE_SCHEMA",
        "/actions/0/block/sentences/0/text",
    ),
    (
        _proposal({"action": "set_constraints", "key": "k", "node_id": "n", "constraints": {"max_words": 2**40}}),
        "NOT_THE_SCHEMA",
        "/actions/0/constraints/max_words",
    ),
    (_proposal(*[_SUMMARY] * 4), "TOO_MANY_ACTIONS", "/actions"),
    (_proposal({**_SUMMARY, "summary": "x" * 51}), "TEXT_TOO_LONG", "/actions/0/summary"),
    (_proposal({**_SUMMARY, "summary": "x\x00"}), "TEXT_INVALID", "/actions/0/summary"),
    (b" " * 4001, "PROPOSAL_TOO_LARGE", ""),
]


@pytest.mark.parametrize(("data", "code", "pointer"), _BAD, ids=[f"{code} {at}" for _, code, at in _BAD])
def test_each_way_of_being_none(data: bytes, code: str, pointer: str) -> None:
    assert _refusal(data) == (code, pointer)


def test_what_is_nested_too_deeply_is_refused() -> None:
    depth = 200_000
    data = b'{"base_hash": "", "actions": [' + b"[" * depth + b"]" * depth + b"]}"
    assert _refusal(data, ProposalLimits()) == ("TOO_DEEP", "")


def test_a_million_actions_are_counted_and_not_decoded() -> None:
    data = b'{"base_hash": "", "actions": [' + b",".join([b"{}"] * 1_000_000) + b"]}"
    assert _refusal(data, ProposalLimits(max_bytes=len(data))) == ("TOO_MANY_ACTIONS", "/actions")
    assert _refusal(data, ProposalLimits(max_bytes=len(data) - 1)) == ("PROPOSAL_TOO_LARGE", "")


@pytest.mark.parametrize("text", ["\ud800", "x\udfff", "\x00"])
def test_texts_that_are_none_are_refused_however_they_were_parsed(text: str) -> None:
    with pytest.raises(ProposalRefused) as caught:
        actions_of([_SUMMARY, {**_SUMMARY, "key": "l", "summary": text}])
    assert (caught.value.code, caught.value.pointer) == ("TEXT_INVALID", "/actions/1/summary")


@settings(max_examples=40)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    with contextlib.suppress(ProposalRefused):
        decode_proposal(data)


def _mutated(draw: Random) -> bytes:
    """A good proposal with one value in it replaced by another of any type."""
    form = msgspec.json.decode(msgspec.json.encode(act.Proposal(base_hash="", actions=actions(draw, planted()))))
    at: Any = form
    while isinstance(at, dict | list) and at:
        key = draw.choice(list(at) if isinstance(at, dict) else range(len(at)))
        if not isinstance(at[key], dict | list) or not at[key] or draw.random() < 0.3:
            at[key] = draw.choice((None, 1, -1, 1.5, True, "", "end", [], {}, [[]], {"action": "set_summary"}))
            break
        at = at[key]
    return json.dumps(form).encode()


@settings(max_examples=60)
@given(seeded(_mutated))
def test_a_proposal_with_a_fault_is_refused_where_the_fault_is_or_applied_without_harm(data: bytes) -> None:
    document = planted()
    try:
        proposal = decode_proposal(data)
    except ProposalRefused as refused:
        form: Any = json.loads(data)
        for part in refused.pointer.split("/")[1:]:  # the pointer leads into what was sent
            form = form[int(part)] if isinstance(form, list) else form[part]
        return
    apply(document, proposal, Policy(on_conflict="overwrite"))


@settings(max_examples=40)
@given(seeded(lambda draw: actions(draw, artifact(draw))))
def test_a_good_proposal_comes_back_as_it_went_and_fits_the_schema_that_is_shown(made: tuple[act.Action, ...]) -> None:
    proposal = act.Proposal(base_hash="0" * 64, actions=made)
    data = msgspec.json.encode(proposal)
    form = json.loads(data)
    _VALIDATOR.validate(form)
    if not any("\\u0000" in json.dumps(action) for action in form["actions"]):
        assert decode_proposal(data) == proposal
        assert actions_of(form["actions"]) == made


_VALIDATOR = jsonschema_rs.validator_for(act.proposal_schema())


def _tags(schema: Any) -> Iterator[str]:
    """The names of actions in a schema."""
    if isinstance(schema, dict):
        tag = schema.get("properties", {}).get("action", {})
        yield from tag.get("enum", ())
        yield from (tag["const"],) if "const" in tag else ()
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _tags(inner)


def test_prompts_decoding_and_apply_know_one_set_of_actions() -> None:
    """One type makes the schema, the decoder and the table of what is applied."""
    kinds = set(act.Action.__args__)
    tags = {str(kind.__struct_config__.tag) for kind in kinds}
    assert set(applying._HANDLERS) == kinds
    assert set(_tags(act.proposal_schema())) == tags
    assert len(tags) == 11
