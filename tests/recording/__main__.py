"""Records a model's outputs: `python -m tests.recording [--stand-in] [--folder FOLDER]`, see docs/llm-gateway.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lace_llm_gateway.domain.capabilities import capability_of
from lace_standalone.services import ALL_SERVICES, load
from tests.doubles.openai_server import serving
from tests.doubles.stand_in_model import StandInModel
from tests.recording.scenario import installation, play

RECORDINGS = Path(__file__).parents[1] / "golden" / "recordings"
ABOUT = "about.json"
_STAND_IN = "stand-in-1"
_PROVIDERS = ("openai", "anthropic", "gemini")


@dataclass(frozen=True)
class About:
    """What a folder of recordings is: whose outputs, and whether a model gave them."""

    model: str
    provider: str
    is_real_model: bool
    note: str


@dataclass(frozen=True)
class _Source:
    """Whom to ask."""

    about: About
    environ: Mapping[str, str]


@asynccontextmanager
async def _stand_in() -> AsyncIterator[_Source]:
    async with serving() as server:
        server.otherwise = StandInModel()
        note = (
            "No model wrote these: they are answers of the rules in tests/doubles/stand_in_model.py, which speak to "
            "the product over the wire of OpenAI. True sentences are in them, and false ones of many kinds."
        )
        about = About(_STAND_IN, "openai", False, note)
        yield _Source(about, {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": server.base_url, "OPENAI_MODEL": _STAND_IN})


def _real(environ: Mapping[str, str]) -> _Source:
    for provider in _PROVIDERS:
        prefix = f"{provider.upper()}_"
        if environ.get(f"{prefix}API_KEY"):
            model = environ.get(f"{prefix}MODEL") or capability_of(provider).default_model
            about = About(model, provider, True, f"Outputs of {model} by {provider}, as it gave them.")
            return _Source(about, {name: value for name, value in environ.items() if name.startswith(prefix)})
    keys = ", ".join(f"{provider.upper()}_API_KEY" for provider in _PROVIDERS)
    sys.exit(f"Set one of {keys}; or record the rules that stand in for a model: --stand-in")


async def record(source: _Source, folder: Path) -> int:
    """Runs the scenario and keeps what was answered in place of what is there; how many answers there are."""
    with tempfile.TemporaryDirectory(prefix="lace-record-") as scratch:
        fresh = Path(scratch) / "recordings"
        environ = {**source.environ, "LACE_REPLAY_FOLDER": str(fresh), "LACE_REPLAY_SOURCE": source.about.provider}
        async with installation(Path(scratch) / "data", source.about.model, environ) as place:
            await asyncio.to_thread(play, place, Path(scratch) / "sources")
        (fresh / ABOUT).write_text(json.dumps(asdict(source.about), indent=2) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(fresh, folder)
    return len(list(folder.glob("*.json"))) - 1


async def _main(stand_in: bool, folder: Path | None) -> None:
    if stand_in:
        async with _stand_in() as source:
            place = folder or RECORDINGS / source.about.model
            count = await record(source, place)
    else:
        source = _real(os.environ)
        place = folder or RECORDINGS / source.about.model.replace("/", "-")
        count = await record(source, place)
    print(f"{count} answers recorded in {place}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stand-in", action="store_true", help="record the rules that stand in for a model")
    parser.add_argument("--folder", type=Path, default=None, help="where to keep them")
    given = parser.parse_args()
    load(ALL_SERVICES)  # here, and not in a thread beside the start, which would import the same halves
    asyncio.run(_main(given.stand_in, given.folder))
