"""Documents of the golden folder, and a long one made of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lace_core import ir

GOLDEN = Path(__file__).parents[2] / "golden" / "compiler"


@pytest.fixture(scope="session")
def golden_ir() -> Callable[[str], bytes]:
    """`golden_ir("kiln")`: the JSON of a document in the golden folder."""
    return lambda name: (GOLDEN / f"{name}.json").read_bytes()


@pytest.fixture(scope="session")
def long_document(golden_ir: Callable[[str], bytes]) -> Callable[[int], ir.Artifact]:
    """`long_document(66)`: that many copies of the kiln's sections, each with ids of its own; 1.5 pages a copy."""

    def copied(count: int) -> ir.Artifact:
        kiln = ir.decode(golden_ir("kiln"))
        root, *others = kiln.nodes
        nodes = [root, *(node for number in range(count) for other in others for node in _renamed(other, number))]
        return ir.Artifact(artifact_id="art_long", title=kiln.title, nodes=tuple(nodes), sources=kiln.sources)

    return copied


def _renamed(node: ir.Node, number: int) -> tuple[ir.Node, ...]:
    text = ir.encode(ir.Artifact(artifact_id="", title="", nodes=(node,))).decode()
    text = re.sub(r'"(blk|sen|itm|row|evd|nod)_(?!id")', rf'"\1_{number}_', text)
    return ir.decode(text.replace(f'"nod_{number}_root"', '"nod_root"').encode()).nodes
