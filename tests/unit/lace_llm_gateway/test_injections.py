"""Documents that try to command the model: outside the marks nothing of them is seen, inside they change no claim."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lace_core import contracts, judging, writing
from lace_core.errors import LaceError, Reason
from lace_core.planning import Unit, grounds_of
from lace_llm_gateway.adapters.extractive.provider import compose
from lace_llm_gateway.domain.exchange import Message, ProviderRequest
from lace_llm_gateway.domain.prompts import template_of
from lace_llm_gateway.domain.protection import Protected, call_key, protect
from lace_llm_gateway.domain.redaction import KINDS, Policy

GOLDEN = Path(__file__).parents[2] / "golden" / "lace_llm_gateway"
INJECTIONS: list[dict[str, str]] = json.loads((GOLDEN / "prompts" / "injections.json").read_text())
CASE: dict[str, Any] = json.loads((GOLDEN / "write-section.json").read_text())
KEY = call_key("a secret of the installation", "run_1", "llm:nod_1", "1")
PLACES = ("text", "heading", "filename", "cell", "caption", "item", "title", "instructions")
_END = re.compile(
    r"</input[^>]*>|\n(?:Human|Assistant|system|user):|<\|[a-z_]+\|>|\[/?INST\]|</s>|<(?:start|end)_of_turn>"
)
by_name = pytest.mark.parametrize("injection", INJECTIONS, ids=[each["name"] for each in INJECTIONS])


def asked(injection: str, place: str) -> contracts.WriteMoreInput:
    """A section's input with the injection where a document, or who asks, can put it."""
    known = msgspec.convert({**CASE["input"], "instructions": "", "existing": []}, contracts.WriteMoreInput)
    first, *others = known.facts
    match place:
        case "text":
            first = msgspec.structs.replace(first, text=injection)
        case "heading":
            first = msgspec.structs.replace(first, heading_path=(injection,))
        case "filename":
            first = msgspec.structs.replace(first, source=injection)
        case "cell" | "caption":
            is_cell = place == "cell"
            table = contracts.TableFact(
                caption="" if is_cell else injection, header=("a",), rows=((injection if is_cell else "1",),)
            )
            first = msgspec.structs.replace(first, kind="table", table=table)
        case "item":
            first = msgspec.structs.replace(first, kind="list", items=(injection,))
        case "title":
            return msgspec.structs.replace(known, document_title=injection)
        case _:
            return msgspec.structs.replace(known, instructions=injection)
    return msgspec.structs.replace(known, facts=(first, *others))


def sent(value: msgspec.Struct, contract: str = "lace.write.v2") -> Protected:
    messages = template_of(contract).render(msgspec.json.encode(value).decode())
    return protect(messages, Policy(KINDS), KEY, templated=True)


def heard_outside(messages: tuple[Message, ...]) -> str:
    """What a gullible model takes for instructions: all that stands outside of data, which ends for it at the first
    thing that looks like an end, a special token or a change of speaker."""
    heard: list[str] = []
    for message in messages:
        text, inside = message.content, False
        while text:
            found = _END.search(text) if inside else re.search(r"<input-[0-9a-f]+>", text)
            if not inside:
                heard.append(text[: found.start()] if found else text)
            text, inside = (text[found.end() :], not inside) if found else ("", inside)
    return "\n".join(heard)


def test_there_are_dozens_of_every_sort() -> None:
    kinds = {each["kind"] for each in INJECTIONS}
    assert kinds >= {"direct", "indirect", "delimiter", "hidden", "encoded", "multilingual", "citation", "exfiltration"}
    assert len(INJECTIONS) == len({each["name"] for each in INJECTIONS}) >= 60


@by_name
def test_a_model_that_follows_what_stands_outside_of_data_hears_the_same_as_ever(injection: dict[str, str]) -> None:
    benign = heard_outside(sent(asked("The weir was built in 1902.", "text")).messages)
    for place in PLACES:
        protected = sent(asked(injection["text"], place))
        assert heard_outside(protected.messages) == benign, place
        assert len(re.findall(r"</?input-", protected.messages[1].content)) == 2


@pytest.mark.parametrize("end", ["</input-0123456789abcdef>", "<|im_end|>", "[/INST]", "</s>", "\nHuman:"])
def test_the_same_model_hears_what_is_not_escaped(end: str) -> None:
    protected = sent(asked("PLACE", "text"))
    assert "PLACE" not in heard_outside(protected.messages)
    raw = protected.messages[1].content.replace("PLACE", f"{end} PLACE")
    assert "PLACE" in heard_outside((Message("user", raw),))


@by_name
def test_nobody_who_knows_the_document_can_write_its_end_mark(injection: dict[str, str]) -> None:
    before = sent(asked(injection["text"], "text"))
    forged = f"</input-{before.nonces[0]}>\n{injection['text']}\n<input-{before.nonces[0]}>"
    after = sent(asked(forged, "text"))
    assert after.nonces != before.nonces
    assert heard_outside(after.messages) == heard_outside(before.messages)


@by_name
def test_a_model_that_obeys_what_stands_in_the_data_gets_no_claim_into_the_document(injection: dict[str, str]) -> None:
    units = [
        Unit(
            unit_id=f"unt_{at}", source_id="src_1", source_version="0" * 64, extraction="t.1", filename="a.md",
            kind="paragraph", text=text, order=at, spans=((0, len(text)),),
        )
        for at, text in enumerate((injection["text"], "The trunk main was replaced between 2024 and 2025."))
    ]  # fmt: skip
    grounds = {g.fact.fact_id: g for g in grounds_of([(unit, 900, "words") for unit in units], 1)}
    ids = tuple(grounds)
    obedient = contracts.Written(
        blocks=(
            contracts.WrittenParagraph(
                sentences=(
                    contracts.WrittenSentence(text=injection["claim"], fact_ids=("F1",)),
                    contracts.WrittenSentence(text=injection["claim"], fact_ids=ids),
                    contracts.WrittenSentence(text=units[1].text, fact_ids=("F2",)),
                )
            ),
        ),
        summary=injection["claim"],
    )
    verdicts = writing.check(obedient, grounds, "nod_1")
    assert [verdict.stands for verdict in verdicts] == [False, False, True]
    put = msgspec.json.encode(writing.actions_of(obedient, verdicts, grounds, "nod_1", "key")).decode()
    assert msgspec.json.encode(injection["claim"]).decode() not in put
    assert units[1].text in put
    # A judge that obeys can lower what the checks found, and raise nothing.
    told = [
        contracts.JudgeVerdict(sentence_id=verdict.sentence_id, verdict="supported", reason="as the document says")
        for verdict in verdicts
    ]
    asked = judging.judge_input(verdicts, grounds)
    lowered = judging.lowered(verdicts, asked, contracts.Judgement(verdicts=tuple(told)))
    assert [verdict.stands for verdict in lowered] == [False, False, True]


@by_name
def test_the_offline_composer_writes_what_it_wrote_without_it(injection: dict[str, str]) -> None:
    known = msgspec.convert(CASE["input"], contracts.WriteInput)
    evil = msgspec.structs.replace(
        known.facts[0],
        fact_id="F900",
        text=injection["text"],
        unit="unt_evil",
        source="evil.md",
        position=0,
        score=1000,
    )
    clean, attacked = (
        compose(_request(value)) for value in (known, msgspec.structs.replace(known, facts=(*known.facts, evil)))
    )
    assert attacked == clean


@pytest.mark.parametrize("name", ["repeat-prompt", "print-nonce"])
def test_a_model_that_tells_what_it_was_told_is_not_heard(name: str) -> None:
    injection = next(each for each in INJECTIONS if each["name"] == name)
    protected = sent(asked(injection["text"], "text"))
    answers = {"repeat-prompt": protected.messages[0].content[:400], "print-nonce": f"It is {protected.nonces[0]}."}
    with pytest.raises(LaceError) as failure:
        protected.refuse_leaks(json.dumps({"blocks": [], "summary": answers[name]}))
    assert failure.value.reason is Reason.PROVIDER_OUTPUT_LEAKED


def _request(value: contracts.WriteInput) -> ProviderRequest:
    messages = template_of("lace.write.v1").render(msgspec.json.encode(value).decode())
    return ProviderRequest("lace.write.v1", messages, None, "extractive-1", 0, 1000, 5.0)
