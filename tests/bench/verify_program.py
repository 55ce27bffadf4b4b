"""Verifies so many sentences of the example dossier in this process, and tells how fast and in how much memory."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

from lace_core.ir import Artifact, Evidence, Node, Paragraph, Sentence
from lace_core.verification.grounding import supports, verify
from lace_core.verification.standing import pieces_of, settle
from lace_core.verification.wording import flat
from tests.bench.memory import Peak

DOSSIER = Path(__file__).parents[2] / "examples" / "dossier"
_SENTENCE = re.compile(r"(?<=[.])\s+(?=[A-Z])")
_PLACE = re.compile(r"^([A-Z][^,;]*) ((?:in|on|at|during|since) [^,;]+)\.$")
_PARTS_A_NODE = 30

Pair = tuple[str, str]


def main() -> None:
    """One size, named on the command line; a JSON object of figures goes to stdout."""
    size = int(sys.argv[1])
    pairs = list(islice(_numbered(_pairs()), size))
    before = Peak.now(os.getpid())
    with Peak(os.getpid()) as peak:
        found = {f"{name}, sentences/s": _rate(made) for name, made in _kinds(pairs).items()}
        found["the same once more, sentences/s"] = _rate(pairs[:1_000]) if size <= 1_000 else _again(pairs)
        found["settling a document of them, s"] = _settled(pairs)
    found["memory beyond the texts, MB"] = (max(peak.bytes, before) - before) / 1e6
    print(json.dumps(found))


def _kinds(pairs: Sequence[Pair]) -> dict[str, Sequence[Pair]]:
    return {
        "as they are": pairs,
        "time or place to the front": [(_turned(sentence), quote) for sentence, quote in pairs],
        "with another number": [(_falsified(sentence), quote) for sentence, quote in pairs],
    }


def _rate(pairs: Sequence[Pair]) -> float:
    begun = time.process_time()
    for sentence, quote in pairs:
        verify(sentence, (quote,))
    return len(pairs) / (time.process_time() - begun)


def _again(pairs: Sequence[Pair]) -> float:
    """The last thousand, which are remembered, a second time."""
    last = pairs[-1_000:]
    _rate(last)
    return _rate(last)


def _settled(pairs: Sequence[Pair]) -> float:
    """Seconds of the check that comes before a revision is kept: every sentence of it is new."""
    begun = time.process_time()
    standing, missing = settle(list(pieces_of(_document(pairs))), (), (), by_person=False)
    assert len(standing) == len(pairs), missing[:1]
    return time.process_time() - begun


def _document(pairs: Sequence[Pair]) -> Artifact:
    nodes = [Node(node_id="nod_root", parent_id=None, order_key="a", title="All")]
    for at in range(0, len(pairs), _PARTS_A_NODE):
        own = [(f"{at + place}", *pair) for place, pair in enumerate(pairs[at : at + _PARTS_A_NODE])]
        sentences = tuple(Sentence(sentence_id=f"s{n}", text=text, evidence_ids=(f"e{n}",)) for n, text, _ in own)
        block = Paragraph(block_id=f"b{at}", sentences=sentences)
        evidence = tuple(
            Evidence(
                evidence_id=f"e{n}", source_id="s", source_version="v", unit_id=f"u{n}", extraction="x", start=0,
                end=len(quote), quote=quote, quote_hash="",
            )
            for n, _, quote in own
        )  # fmt: skip
        nodes.append(
            Node(
                node_id=f"n{at}", parent_id="nod_root", order_key=f"k{at:09}", title="S", blocks=(block,),
                evidence=evidence,
            )
        )  # fmt: skip
    return Artifact(artifact_id="art_bench", title="All", nodes=tuple(nodes))


def _pairs() -> list[Pair]:
    """Each sentence of the dossier's prose with the paragraph that it stands in."""
    found: list[Pair] = []
    for path in sorted([*DOSSIER.glob("*.md"), *DOSSIER.glob("*.txt")]):
        for paragraph in path.read_text().split("\n\n"):
            text = " ".join(paragraph.split())
            if text.startswith(("#", "|", "*", "-")) or " | " in text:
                continue
            sentences = [one for one in _SENTENCE.split(flat(text)) if one.endswith(".") and len(one.split()) > 4]
            found.extend((one, text) for one in sentences)
    return [pair for pair in found if supports(pair[0], (pair[1],))]


def _numbered(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """The pairs again and again, each time of a town of another name, so that none is remembered from before."""
    for turn in count():
        for sentence, quote in pairs:
            mark = f"In the town of Ham{turn}, "
            yield (
                sentence.replace("Board", f"Board{turn}"),
                quote.replace("Board", f"Board{turn}") + f" {mark}it rains.",
            )


def _turned(sentence: str) -> str:
    match = _PLACE.match(sentence)
    if match is None:
        return sentence
    place = match[2]
    return f"{place[0].upper()}{place[1:]} {match[1][0].lower()}{match[1][1:]}."


def _falsified(sentence: str) -> str:
    return re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 1) % 10), sentence)


if __name__ == "__main__":
    main()
