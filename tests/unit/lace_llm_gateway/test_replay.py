"""Recorded calls: the same prompt gives the same answer, whatever nonce its call was sealed with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.replay.provider import ReplayProvider
from lace_llm_gateway.domain.exchange import (
    Citation,
    Delta,
    FinishReason,
    GroundingEvidence,
    Message,
    ProviderAnswer,
    ProviderRequest,
    Search,
)

EVIDENCE = GroundingEvidence((Search("web_search", ("q",), ("https://a",)),), (Citation("https://a", "A", 0, 3),))


class Source:
    """A provider that counts how often it is asked."""

    name = "openai"
    default_model = "a/model:1"

    def __init__(self, text: str = "an answer") -> None:
        self.text = text
        self.asked = 0

    def configured(self) -> bool:
        return True

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        self.asked += 1
        return ProviderAnswer(self.text, FinishReason.STOP, "m", "m-1", "fp", "r", 3, 4, 1, "messages", EVIDENCE)

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        yield Delta(self.text)
        yield await self.complete(request)

    async def close(self) -> None:
        return


def asked(text: str = "hello", model: str = "a/model:1") -> ProviderRequest:
    return ProviderRequest("", (Message("user", text),), None, model, 0, 100, 5.0)


def sealed(nonce: str, tag: str) -> ProviderRequest:
    told = f"Words of the form REDACTED_KIND_1_{tag} stand for text that is not shown to you."
    data = f'<input-{nonce}>\n{{"mail":"REDACTED_EMAIL_1_{tag}"}}\n</input-{nonce}>'
    return ProviderRequest("", (Message("system", told), Message("user", data)), None, "m", 0, 100, 5.0)


async def test_what_was_recorded_is_given_again(tmp_path: Path) -> None:
    source = Source()
    first = await ReplayProvider(tmp_path, source).complete(asked())
    again = await ReplayProvider(tmp_path).complete(asked())
    assert first == again
    assert again.grounding == EVIDENCE
    assert source.asked == 1
    assert (await ReplayProvider(tmp_path).versions("", 1.0)) is not None


async def test_a_stream_is_recorded_and_given_again(tmp_path: Path) -> None:
    source = Source("word " * 100)
    recorded = [item async for item in ReplayProvider(tmp_path, source).stream(asked())]
    again = [item async for item in ReplayProvider(tmp_path).stream(asked())]
    assert recorded[-1] == again[-1]
    assert "".join(item.text for item in again[:-1]) == "word " * 100
    assert source.asked == 1


@pytest.mark.parametrize("other", [asked("hello!"), asked(model="another")])
async def test_a_missing_recording_is_told(tmp_path: Path, other: ProviderRequest) -> None:
    await ReplayProvider(tmp_path, Source()).complete(asked())
    with pytest.raises(LaceError) as failure:
        await ReplayProvider(tmp_path).complete(other)
    assert (failure.value.reason, failure.value.retryable) == (Reason.RECORDING_NOT_FOUND, False)


@pytest.mark.parametrize("change", [lambda b: b[:-20], lambda b: b.replace(b'"a/model:1"', b'"b"'), lambda _: b"\xff"])
async def test_a_damaged_recording_is_told(tmp_path: Path, change: Any) -> None:
    await ReplayProvider(tmp_path, Source()).complete(asked())
    [file] = tmp_path.iterdir()
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(LaceError) as failure:
        await ReplayProvider(tmp_path, Source()).complete(asked())
    assert (failure.value.reason, failure.value.retryable) == (Reason.RECORDING_CORRUPT, False)


async def test_the_seal_of_a_call_is_no_part_of_its_prompt(tmp_path: Path) -> None:
    source = Source("Write to REDACTED_EMAIL_1_0a0a0a0a.")
    await ReplayProvider(tmp_path, source).complete(sealed("1111111111111111", "0a0a0a0a"))
    [file] = tmp_path.iterdir()
    assert b"0a0a0a0a" not in file.read_bytes()
    again = await ReplayProvider(tmp_path).complete(sealed("2222222222222222", "0b0b0b0b"))
    assert again.text == "Write to REDACTED_EMAIL_1_0b0b0b0b."


async def test_needs_a_folder() -> None:
    provider = ReplayProvider.of({}, {})
    assert not provider.configured()
    with pytest.raises(LaceError) as failure:
        await provider.complete(asked())
    assert failure.value.reason is Reason.PROVIDER_CREDENTIALS


def test_an_unknown_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaceError) as failure:
        ReplayProvider.of({"LACE_REPLAY_FOLDER": str(tmp_path), "LACE_REPLAY_SOURCE": "acme"}, {})
    assert failure.value.reason is Reason.SETTING_INVALID


async def test_an_answer_that_ends_elsewhere_is_another_one(tmp_path: Path) -> None:
    source = Source()
    recording = ReplayProvider(tmp_path, source)
    await recording.complete(asked())
    for stop in (("END",), ("END", "."), ("END",)):
        await recording.complete(replace(asked(), stop=stop))
    assert source.asked == 3
    with pytest.raises(LaceError) as failure:
        await ReplayProvider(tmp_path).complete(replace(asked(), stop=("STOP",)))
    assert failure.value.reason is Reason.RECORDING_NOT_FOUND


def naming(*idents: str) -> ProviderRequest:
    said = '{"sentences":[' + ",".join(f'{{"sentence_id":"{ident}"}}' for ident in idents) + "]}"
    return ProviderRequest("", (Message("user", said),), None, "a/model:1", 0, 100, 5.0)


async def test_ids_of_another_installation_make_no_other_prompt_and_come_back_as_its_own(tmp_path: Path) -> None:
    one, other = "sen_" + "a" * 26, "sen_" + "b" * 26
    source = Source(f'{{"verdicts":["{other}","{one}","sen_{"z" * 26}"]}}')
    await ReplayProvider(tmp_path, source).complete(naming(one, other))
    [recording] = tmp_path.glob("*.json")
    assert one not in recording.read_text()
    third, fourth = "sen_" + "c" * 26, "sen_" + "d" * 26
    again = await ReplayProvider(tmp_path).complete(naming(third, fourth))
    assert again.text == f'{{"verdicts":["{fourth}","{third}","sen_{"z" * 26}"]}}'
    with pytest.raises(LaceError) as refused:
        await ReplayProvider(tmp_path).complete(naming(third, third))
    assert refused.value.reason is Reason.RECORDING_NOT_FOUND
