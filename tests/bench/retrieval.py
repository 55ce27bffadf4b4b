"""How good searches are: nDCG@10 and recall@20 on collections with known answers, of words, of vectors and of both."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from lace_ingest.domain.retrieval.query import Mode
from lace_llm_gateway.adapters.local.minilm import is_installed
from tests.bench.environments import python_with
from tests.bench.figures import Figure
from tests.bench.processes import ROOT, scratch
from tests.bench.retrieval_collections import Library, ndcg, read_library, recall
from tests.bench.retrieval_world import World, holding

_COLLECTIONS = Path(os.environ.get("LACE_SHARED", ROOT.parent / "shared")) / "corpora" / "chunkeval"
_REQUIREMENTS = Path(__file__).with_name("requirements-retrieval.txt")
_PROGRAM = Path(__file__).with_name("bm25s_program.py")
_DEPTH = 20
# The weights in the settings were chosen on this one alone.
FITTED = "wikitexts"


@dataclass(frozen=True)
class Way:
    """A way to search: its mode, and settings that are not as they are by default."""

    name: str
    mode: Mode
    settings: Mapping[str, Any] = field(default_factory=dict)


_OFF = {"rerank": "off"}
WORDS = (
    Way("lexical", Mode.LEXICAL),
    Way("lexical, reranked", Mode.AUTO),
)
VECTORS = (
    Way("dense", Mode.DENSE),
    Way("hybrid by ranks alone", Mode.HYBRID, {"fusion": "reciprocal_rank", **_OFF}),
    Way("hybrid, not reranked", Mode.HYBRID, _OFF),
    Way("hybrid", Mode.HYBRID),
)

_INDEXED = Way("dense through the index", Mode.DENSE, {"exact_units": 0})


def measure(rounds: int, folder: Path = _COLLECTIONS, only: Sequence[str] = ()) -> list[Figure]:
    """The figures of each way on each collection, and their mean. The same in each round, so there is one."""
    if not (folder / "questions.csv").exists():
        print(f"not measured: there are no collections in {folder}; set LACE_SHARED", file=sys.stderr)
        return []
    library = _part(read_library(folder), only)
    with scratch() as place:
        ranked = asyncio.run(_ranked(place, library))
    near = ranked.pop(_INDEXED.name, None)
    figures = [figure for way, ranks in ranked.items() for figure in _figures(library, way, ranks)]
    if near is not None:
        same = [recall(some, every, _DEPTH) for some, every in zip(near, ranked["dense"], strict=True)]
        figures.append(Figure(f"the {_DEPTH} nearest that the index finds", "%", [100 * mean(same)], digits=1))
    return figures


def _part(library: Library, only: Sequence[str]) -> Library:
    names = only or tuple(library.documents)
    documents = {name: library.documents[name] for name in names}
    return Library(documents, tuple(question for question in library.questions if question.collection in names))


async def _ranked(place: Path, library: Library) -> dict[str, list[list[str]]]:
    """Ids by rank for every question, of each way and of the peer."""
    questions = [question.text for question in library.questions]
    found = {"bm25s": _peer(library, questions)}
    async with holding(place, library.documents) as world:
        for way in WORDS:
            found[way.name] = await _ranks(world, way, questions)
        if not is_installed():
            print("vectors are not measured: the embedder is not installed (make embedder)", file=sys.stderr)
            return found
        await world.embed()
        for way in VECTORS:
            found[way.name] = await _ranks(world, way, questions)
        await world.index()
        found[_INDEXED.name] = await _ranks(world, _INDEXED, questions)
    return found


async def _ranks(world: World, way: Way, questions: Sequence[str]) -> list[list[str]]:
    return await world.ranks(questions, way.mode, _DEPTH, **way.settings)


def _peer(library: Library, questions: Sequence[str]) -> list[list[str]]:
    """bm25s on the same units, headings before the text."""
    units = [unit for document in library.documents.values() for unit in document.units]
    texts = ["\n".join((*unit.heading_path, unit.text)) for unit in units]
    asked = json.dumps({"texts": texts, "questions": list(questions), "depth": _DEPTH})
    command = [python_with(_REQUIREMENTS), _PROGRAM]
    answer = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    return [[units[at].unit_id for at in row] for row in json.loads(answer.stdout)]


def _figures(library: Library, way: str, ranks: Sequence[Sequence[str]]) -> list[Figure]:
    scored: dict[str, list[tuple[float, float]]] = {}
    for question, ranked in zip(library.questions, ranks, strict=True):
        score = ndcg(ranked, question.answers), recall(ranked, question.answers, _DEPTH)
        scored.setdefault(question.collection, []).append(score)
    means = {name: (mean(one for one, _ in found), mean(other for _, other in found)) for name, found in scored.items()}
    return [
        Figure(
            f"{way}: mean {measured} ({_each(means, at)})", "", [mean(pair[at] for pair in means.values())], digits=3
        )
        for at, measured in enumerate(("nDCG@10", "recall@20"))
    ]


def _each(means: Mapping[str, tuple[float, float]], at: int) -> str:
    """The collections one by one; a star marks the one that the weights were fixed on."""
    named = {name: f"{name}{'*' if name == FITTED else ''}" for name in sorted(means)}
    return ", ".join(f"{shown} {means[name][at]:.3f}" for name, shown in named.items())
