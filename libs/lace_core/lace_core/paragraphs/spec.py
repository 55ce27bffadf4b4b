"""What a paragraph is to say, out of which facts, and within which bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from lace_core.errors import Detail

MIN_SENTENCES = 1
MAX_SENTENCES = 8
MAX_WORDS = 200


class ParagraphSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A specification. `allowed_fact_ids` are all that may be used, `required_fact_ids` those that must be.

    Bounds are of the whole paragraph; `min_words` 0 sets none. Every sentence cites a fact: `must_cite` is never false.
    """

    title: str
    purpose: str
    allowed_fact_ids: tuple[str, ...]
    section: str = ""
    questions: tuple[str, ...] = ()
    required_fact_ids: tuple[str, ...] = ()
    audience: str = ""
    tone: str = ""
    language: str = "en"
    min_sentences: int = MIN_SENTENCES
    max_sentences: int = MAX_SENTENCES
    min_words: int = 0
    max_words: int = MAX_WORDS
    forbidden_phrases: tuple[str, ...] = ()
    must_cite: bool = True


def problems(spec: ParagraphSpec) -> list[Detail]:
    """What is wrong with a specification, by JSON Pointer; empty for a sound one."""
    return [*_texts(spec), *_facts(spec), *_bounds(spec)]


def _texts(spec: ParagraphSpec) -> Iterator[Detail]:
    if not spec.must_cite:
        yield Detail("/spec/must_cite", "is false; every sentence of a paragraph cites a fact.")
    for name in ("title", "purpose"):
        if not getattr(spec, name).strip():
            yield Detail(f"/spec/{name}", "is empty; say it in some words.")
    for name in ("questions", "forbidden_phrases"):
        for at, text in enumerate(getattr(spec, name)):
            if not text.strip():
                yield Detail(f"/spec/{name}/{at}", "is empty; leave it out.")


def _facts(spec: ParagraphSpec) -> Iterator[Detail]:
    if not spec.allowed_fact_ids:
        yield Detail("/spec/allowed_fact_ids", "is empty; nothing can be written out of no facts.")
    for name in ("allowed_fact_ids", "required_fact_ids"):
        yield from _repeated(f"/spec/{name}", getattr(spec, name))
    for at, fact_id in enumerate(spec.required_fact_ids):
        if fact_id not in spec.allowed_fact_ids:
            yield Detail(f"/spec/required_fact_ids/{at}", f"{fact_id} is not one of allowed_fact_ids; add it there.")


def _repeated(pointer: str, fact_ids: Sequence[str]) -> Iterator[Detail]:
    seen: set[str] = set()
    for at, fact_id in enumerate(fact_ids):
        if fact_id in seen:
            yield Detail(f"{pointer}/{at}", f"{fact_id} is there twice; leave it out once.")
        seen.add(fact_id)


def _bounds(spec: ParagraphSpec) -> Iterator[Detail]:
    for least, most in (("min_sentences", "max_sentences"), ("min_words", "max_words")):
        low, high = getattr(spec, least), getattr(spec, most)
        if low > high:
            yield Detail(f"/spec/{least}", f"is {low}, more than {most} ({high}).")
    if len(spec.required_fact_ids) > 0 and spec.max_words < len(spec.required_fact_ids):
        yield Detail("/spec/max_words", "leaves less than a word for each of required_fact_ids.")
