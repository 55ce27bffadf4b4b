"""The closed set of actions and its JSON Schema."""

from __future__ import annotations

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings

from lace_core import actions as act

from .strategies import actions, planted, seeded

_NAMES = {
    "insert_node", "update_node", "move_node", "remove_node", "set_node_state", "set_constraints", "insert_block",
    "replace_block", "move_block", "remove_block", "set_summary",
}  # fmt: skip


def test_the_set_is_closed() -> None:
    assert {kind.__struct_config__.tag for kind in act.Action.__args__} == _NAMES


@settings(max_examples=80)
@given(seeded(lambda draw: actions(draw, planted())))
def test_every_proposal_fits_the_schema_and_comes_back(wanted: tuple[act.Action, ...]) -> None:
    proposal = act.Proposal(base_hash="", actions=wanted)
    form = msgspec.json.decode(msgspec.json.encode(proposal))
    assert _VALIDATOR.is_valid(form)
    assert msgspec.convert(form, act.Proposal) == proposal


_VALIDATOR = jsonschema_rs.validator_for(act.proposal_schema())


@pytest.mark.parametrize(
    "action",
    [
        {"action": "delete_everything", "key": "k"},
        {"action": "remove_node", "key": "k"},
        {"action": "remove_node", "key": "k", "node_id": "n", "index": 3},
        {"action": "set_node_state", "key": "k", "node_id": "n", "state": "published"},
        {"action": "remove_node", "node_id": "n"},
    ],
)
def test_what_is_no_action_is_refused_by_schema_and_decoder_alike(action: dict[str, object]) -> None:
    form = {"base_hash": "", "actions": [action]}
    assert not _VALIDATOR.is_valid(form)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(form, act.Proposal)
