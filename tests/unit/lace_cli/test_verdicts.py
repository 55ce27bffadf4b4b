"""`lace verdicts` against an API: what it asks, what it prints, how it ends."""

from __future__ import annotations

import json
from typing import Any

from lace_cli.failures import WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

_LAYERS = [
    {"layer": "quote", "verdict": "partially", "finding": "not verbatim"},
    {"layer": "numbers", "verdict": "contradicted", "finding": "9.9 is not in the evidence"},
    {"layer": "names", "verdict": "supported", "finding": "agree"},
]
OUT: dict[str, Any] = {
    "sentence_id": "sen_1", "node_id": "nod_1", "text": "It cost 9.9 million.\x1b[31m", "verdict": "contradicted",
    "reasons": ["numbers: 9.9 is not in the evidence"], "layers": _LAYERS,
}  # fmt: skip
ACCEPTED: dict[str, Any] = {
    "sentence_id": "sen_2", "node_id": "nod_1", "text": "It was dear.", "verdict": "partially", "in_document": True,
    "standing": "accepted", "acceptance": {"accepted_by": "usr_1", "reason": "I paid it."},
    "layers": [{"layer": "judge", "verdict": "abstained", "finding": "it gave no verdict", "call_id": "llc_1"}],
}  # fmt: skip


def test_layers_that_object_say_why(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/artifacts/art_1/verdicts", {"verdicts": [OUT, ACCEPTED]})
    told = lace("verdicts", "art_1")
    assert told.code == 0, told.err
    assert told.out.splitlines() == [
        "✗ contradicted (kept out)  It cost 9.9 million.␛[31m",
        "    ? quote: not verbatim",
        "    ✗ numbers: 9.9 is not in the evidence",
        "? partially (accepted by usr_1: I paid it.)  It was dear.",
        "    – judge: it gave no verdict  [llc_1]",
    ]
    assert "    ✓ names: agree" in lace("verdicts", "art_1", "--layers").out


def test_what_is_asked_narrows(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/artifacts/art_1/verdicts", {"verdicts": []})
    told = lace("verdicts", "art_1", "--kept-out", "--verdict", "partially", "--node", "nod_1", "--revision", "rev_1")
    assert (told.code, told.out) == (0, "")
    assert api.last("GET").query == {
        "revision_id": ["rev_1"], "verdict": ["partially"], "node_id": ["nod_1"], "in_document": ["false"],
    }  # fmt: skip
    assert json.loads(lace("verdicts", "art_1", "--json").out) == []


def test_a_verdict_that_is_none_is_named(api: ScriptedApi, lace: Lace) -> None:
    told = lace("verdicts", "art_1", "--verdict", "true")
    assert told.code == WRONG_USE
    assert "There is no verdict true; there are supported, partially" in told.err
