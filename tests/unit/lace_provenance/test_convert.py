"""The converter keeps every field, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace.provenance.v1 import provenance_pb2 as wire
from lace_core.errors import LaceError, Reason
from lace_proto.json import from_json, to_json
from lace_provenance.api import convert
from lace_provenance.domain.logs import TransformationLog
from lace_provenance.domain.neighbourhood import Neighbourhood

from .strategies import entities, logs


@given(logs)
def test_a_log_survives_the_wire_and_its_json_form(log: TransformationLog) -> None:
    message = convert.log_to_wire(log)
    assert convert.log_of_wire(message) == log
    assert convert.log_of_wire(from_json(wire.TransformationLog, to_json(message))) == log


def test_every_field_of_the_message_is_converted() -> None:
    fields = {field.name for field in wire.TransformationLog.DESCRIPTOR.fields}
    assert fields == set(TransformationLog.__dataclass_fields__)


@given(st.lists(entities, max_size=2), st.lists(logs, max_size=1), st.lists(entities, max_size=2))
def test_a_neighbourhood_is_shown_whole(contents: list, found: list, ancestors: list) -> None:  # type: ignore[type-arg]
    message = convert.neighbourhood_to_wire(Neighbourhood(contents, found, found, ancestors))
    assert [convert.entity_of_wire(entity) for entity in message.entity] == contents
    assert [convert.log_of_wire(log) for log in message.generated_by] == found
    assert [convert.log_of_wire(log) for log in message.used_by] == found
    assert [convert.entity_of_wire(entity) for entity in message.derived_from] == ancestors


@pytest.mark.parametrize("missing", ["started_at", "ended_at"])
def test_a_log_says_when_it_began_and_ended(missing: str) -> None:
    message = wire.TransformationLog(id="tlg_1")
    message.started_at.GetCurrentTime()
    message.ended_at.GetCurrentTime()
    message.ClearField(missing)  # type: ignore[arg-type]
    with pytest.raises(LaceError) as refused:
        convert.log_of_wire(message)
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert refused.value.details[0].field == f"/{missing}"
