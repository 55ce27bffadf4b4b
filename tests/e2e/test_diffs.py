"""A document written from a source, the source's next version, and what is said of both, through the public API."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Command

FIRST = """# Tidal barrier

## Gates

The barrier has ten gates. Each gate weighs 3,300 tonnes. The gates close in 75 minutes.

## Power

The barrier has two feeders of 11 kilovolts. A generator of 400 kilowatts starts within 12 seconds of a power cut.

## Cost

| Part | Cost |
| --- | --- |
| Gates | £6.39 million |
| Power | £0.84 million |

The barrier cost £7.23 million. The county paid half of this sum.
"""
SECOND = FIRST.replace("75 minutes", "90 minutes").replace("£0.84", "£0.91").replace(
    " The county paid half of this sum.", ""
).replace("## Gates", "## History\n\nA storm broke the old wall.\n\n## Gates")  # fmt: skip

Lace = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def lace(command: Command) -> Lace:
    """Runs a command line: its exit code and what it printed."""

    async def call(*arguments: str) -> tuple[int, str]:
        code, out, err = await command(*arguments)
        return code, out + err

    return call


async def _ingest(lace: Lace, name: str, text: str, *more: str) -> str:
    Path(name).write_text(text)
    code, told = await lace("ingest", name, *more, "--json")
    assert code == 0, told
    return str(json.loads(told)["sources"][0]["source_id"])


async def test_what_a_new_version_changes_and_touches_is_told(lace: Lace, api: httpx.AsyncClient) -> None:
    old = await _ingest(lace, "barrier.md", FIRST)
    code, told = await lace("generate", "-t", "Tidal barrier", "--source", old, "--target", "md", "--json")
    assert code == 0, told
    artifact_id = json.loads(told)["result"]["artifact_id"]
    assert (await lace("impact", artifact_id, "--exit-code"))[0] == 0
    code, told = await lace("diff", old)
    assert (code, "PREVIOUS_VERSION_NOT_FOUND" in told) == (5, True)
    assert (await lace("diff", old, old, "--exit-code"))[0] == 0
    assert (await lace("diff", "no-such.md"))[0] == 5
    new = await _ingest(lace, "barrier-2.md", SECOND, "--version-of", old)

    code, told = await lace("diff", "barrier-2.md", "--exit-code")
    assert code == 1
    assert f"({old}) → barrier-2.md v2 ({new})" in told
    code, told = await lace("diff", new, "--level", "all", "--json")
    found = json.loads(told)
    assert (found["before"]["source_id"], found["after"]["source_id"]) == (old, new)
    changed = [passage for passage in found["passages"] if passage["change"] == "changed"]
    assert [word["text"] for passage in changed for word in passage["words"] if word["change"] == "removed"] == [
        "75", "0.84", " The county paid half of this sum.",
    ]  # fmt: skip
    [table] = [unit for unit in found["units"] if unit["cells"]]
    assert [(cell["column"], cell["before"], cell["after"]) for cell in table["cells"]] == [
        ("Cost", "£0.84 million", "£0.91 million")
    ]
    standing = {impact["citation"]["evidence"]["quote"]: impact["standing"] for impact in found["citations"]}
    assert standing
    assert standing == {
        quote: "gone" if quote.startswith("The county") else "changed"
        for quote in standing
        if "75 minutes" in quote or "0.84" in quote or quote.startswith("The county")
    }

    stale = (await api.get("/v1/provenance/impact", params={"artifact_id": artifact_id})).json()
    assert {one["citation"]["evidence"]["quote"]: one["standing"] for one in stale["citations"]} == standing
    assert {source["source_id"] for source in stale["sources"]} == {old, new}
    by_source = (await api.get("/v1/provenance/impact", params={"from": old, "to": new})).json()
    assert by_source["citations"] == stale["citations"]
    code, told = await lace("impact", artifact_id, "--exit-code")
    assert code == 1
    assert "now    " in told
    cited = (await api.get("/v1/citations", params={"source_id": old, "page_size": 2})).json()
    assert len(cited["citations"]) == 2
    assert cited["citations"][0]["parts"]
    assert (await api.get("/v1/citations", params={"source_id": new})).json()["citations"] == []


@pytest.mark.slow
async def test_versions_of_a_bundle_are_compared(lace: Lace) -> None:
    old = await _ingest(lace, "gates.md", FIRST.replace("Tidal", "Inner"))
    other = await _ingest(lace, "other.md", "# Other\n\nOf no account here.\n")
    name = f"barriers-{old[-6:]}"
    assert (await lace("bundles", "create", name, old, other))[0] == 0
    new = await _ingest(lace, "gates-2.md", SECOND.replace("Tidal", "Inner"), "--version-of", old)
    code, told = await lace("bundles", "refresh", name)
    assert code == 0, told
    code, told = await lace("diff", f"{name}@1", f"{name}@2", "--json")
    found = json.loads(told)
    assert [(one["change"], one["before"]["source_id"], one["after"]["source_id"]) for one in found["sources"]] == [
        ("changed", old, new)
    ]
    assert found["sources"][0]["summary"]["paragraphs"]["changed"] == 3
    code, told = await lace("diff", f"{name}@1", f"{name}@2", "--html", "changes.html", "--exit-code")
    assert code == 1
    page = Path("changes.html").read_text(encoding="utf-8")
    assert "<del>" in page
    assert 'http-equiv="Content-Security-Policy"' in page
