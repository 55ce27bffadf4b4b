"""Dead letters: read from the bus whatever they hold, kept whole over the wire, settled once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_control.api import convert
from lace_control.api.consumers import DEAD_LETTER_TOPICS
from lace_control.domain.dead_letters import DeadLetter, DeadLetterState, letter_id, settled
from lace_core.errors import LaceError, Reason
from lace_platform.bus import Envelope
from lace_platform.bus.delivery import cause_of_death, dead_letter

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_moments = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
_letters = st.builds(
    DeadLetter,
    dead_letter_id=_texts,
    tenant_id=_texts,
    topic=_texts,
    key=_texts,
    group=_texts,
    event_id=_texts,
    error_code=_texts,
    error_message=_texts,
    attempts=st.integers(0, 2**31 - 1),
    created_at=_moments,
    died_at=_moments,
    schema_version=st.integers(0, 2**31 - 1),
    payload=_texts,
    headers=st.dictionaries(_texts, _texts, max_size=3),
    redrive_of=_texts,
    state=st.sampled_from(DeadLetterState),
    settled_at=st.none() | _moments,
    settled_by=_texts,
)


@given(_letters)
def test_a_letter_keeps_every_field_over_the_wire(letter: DeadLetter) -> None:
    assert convert.dead_letter_of_wire(convert.dead_letter_to_wire(letter)) == letter


@given(
    st.builds(
        Envelope,
        id=_texts,
        tenant_id=_texts,
        topic=_texts.map(lambda name: f"{name}.dlq"),
        key=_texts,
        payload=st.binary(max_size=20),
        headers=st.dictionaries(
            st.sampled_from(["dead-letter-at", "dead-letter-attempts", "dead-letter-group", "redrive-of", "other"]),
            _texts,
        ),
        created_at=_moments,
    )
)
def test_whatever_comes_on_a_dead_letter_topic_can_be_kept(envelope: Envelope) -> None:
    letter = convert.dead_letter_of(envelope)
    for text in (letter.key, letter.payload, letter.error_message, *letter.headers.values()):
        text.encode()
        assert "\x00" not in text
    assert letter.died_at.tzinfo is not None
    assert set(letter.headers) <= {"other"}


def test_a_message_s_death_is_read_as_it_was_told() -> None:
    error = LaceError(Reason.SOURCE_ENCRYPTED, "no key")
    message = Envelope("evt_1", "ten_a", "compile.requested", "run_1", b"{}", headers={"redrive-of": "dlt_0"})
    letter = convert.dead_letter_of(dead_letter(message, cause_of_death(message, error, "compiler", 3)))
    assert (letter.topic, letter.group, letter.attempts) == ("compile.requested", "compiler", 3)
    assert (letter.error_code, letter.error_message) == ("SOURCE_ENCRYPTED", "LaceError: no key")
    assert (letter.redrive_of, letter.headers) == ("dlt_0", {})


@pytest.mark.parametrize("state", [DeadLetterState.REDRIVEN, DeadLetterState.DISCARDED])
def test_a_letter_is_settled_once(state: DeadLetterState) -> None:
    letter = DeadLetter("dlt_1", "ten_a", "t", "k", "g", "evt_1", "", "", 1, _NOON, _NOON)
    done = settled(letter, state, "prn_1", _NOON)
    assert (done.state, done.settled_by, done.settled_at) == (state, "prn_1", _NOON)
    assert done.dead_letter_id == letter.dead_letter_id
    for again in (DeadLetterState.REDRIVEN, DeadLetterState.DISCARDED):
        with pytest.raises(LaceError) as refused:
            settled(done, again, "prn_2", _NOON)
        assert refused.value.reason is Reason.DEAD_LETTER_SETTLED


def test_the_id_of_a_letter_tells_a_second_delivery_from_a_second_death() -> None:
    first = letter_id("t", "g", "evt_1", "")
    assert first == letter_id("t", "g", "evt_1", "")
    others = [("u", "g", "evt_1", ""), ("t", "h", "evt_1", ""), ("t", "g", "evt_2", ""), ("t", "g", "evt_1", first)]
    assert len({first, *(letter_id(*other) for other in others)}) == 5


def test_every_topic_that_a_group_of_ours_consumes_has_its_dead_letters_kept() -> None:
    assert "compile.requested.dlq" in DEAD_LETTER_TOPICS
    assert "pipeline.step.completed.dlq" not in DEAD_LETTER_TOPICS
