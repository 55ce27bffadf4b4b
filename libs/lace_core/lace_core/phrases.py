"""Phrases that may not occur: one rule for every text that a document shows, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lace_core.ir import Block, Figure, Node, Table, cited_parts

_LOOSE = " \t,;:.–—-/"


def phrase_in(text: str, phrases: Iterable[str]) -> str:
    """The first of the phrases that a text holds, in any case and however it is spaced; empty where there is none."""
    return next(_held(text, phrases), "")


def phrases_in(text: str, phrases: Iterable[str]) -> tuple[str, ...]:
    """All of the phrases that a text holds, in their order."""
    return tuple(_held(text, phrases))


def _held(text: str, phrases: Iterable[str]) -> Iterator[str]:
    plain = _plain(text)
    return (phrase for phrase in phrases if phrase.strip() and _plain(phrase) in plain)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def shown_by(node: Node) -> Iterator[tuple[str, str]]:
    """Every text that a reader sees of a node, each with the JSON Pointer that leads to it from the document."""
    at = f"/nodes/{node.node_id}"
    yield f"{at}/title", node.title
    yield f"{at}/summary", node.summary
    for block in node.blocks:
        yield from ((f"{at}/blocks/{block.block_id}/{where}", text) for where, text in shown_in(block))


def shown_in(block: Block) -> Iterator[tuple[str, str]]:
    """Every text of a block: its sentences, items or rows by their ids, the caption and the heads of its columns."""
    if isinstance(block, Table | Figure):
        yield "caption", block.caption
    if isinstance(block, Table):
        yield from ((f"header/{index}", head) for index, head in enumerate(block.header))
    yield from ((part.part_id, part.text) for part in cited_parts(block))


def without_phrases(heading: str, phrases: Iterable[str]) -> str:
    """A heading that is made, without the words that hold the phrases; empty where no other word is left."""
    left = heading
    for phrase in phrases_in(heading, phrases):
        spaced = r"\s+".join(re.escape(word) for word in phrase.split())
        left = re.sub(rf"\w*{spaced}\w*", " ", left, flags=re.IGNORECASE)
    if left == heading:
        return heading
    left = " ".join(left.split()).strip(_LOOSE)
    if phrase_in(left, phrases) or not re.search(r"\w", left):
        return ""
    return left[:1].upper() + left[1:]
