"""The runs that are recorded: every pipeline that asks a model, over two small documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lace.runs.v1 import runs_pb2
from lace_client import LaceClient
from lace_platform.config import load_process_config
from lace_standalone.bootstrap import run
from lace_standalone.embedded_postgres import EmbeddedPostgres

TITLE = "Ferry Road pumping station"
SOURCES = {
    "station.md": """# Ferry Road pumping station

## Cost

The final cost of the Ferry Road pumping station was 4.2 million pounds in 2021. The council paid 3.0 million pounds
of the cost. The county paid the remaining 1.2 million pounds from its flood budget.

## Safety

Inspectors tested the Ferry Road pumping station on 3 May 2022. The inspectors found no crack in the main girders of
the station. The alarm of the Ferry Road pumping station was renewed in June 2022.
""",
    "review.md": """# Ferry Road review

## Cost

The final cost of the Ferry Road pumping station was 4.2 million pounds in 2021. The loan of the Ferry Road pumping
station runs for twenty years. The interest of the loan is 3.1 per cent a year.
""",
}
# In this order: each changes what the ones before it have made.
PIPELINES = (
    "outline",
    "generate",
    "enrich",
    "expand",
    "patch",
    "auto",
    "regenerate",
    "extract_facts",
    "paragraph",
    "verify",
)


@dataclass(frozen=True)
class Place:
    """An installation, and the settings by which its runs ask the recordings of a model."""

    url: str
    token: str
    settings: Mapping[str, str]


@asynccontextmanager
async def installation(data_dir: Path, model: str, environ: Mapping[str, str]) -> AsyncIterator[Place]:
    """A fresh one, whose environment says where the recordings are, and who is asked where there is none."""
    database = EmbeddedPostgres(data_dir / "postgres", durable=False)
    dsn = await database.start()
    own = {
        "LACE_DATA_DIR": str(data_dir),
        "LACE_GATEWAY_PORT": "0",
        "LACE_LOG_LEVEL": "warning",
        "LACE_INGEST_EMBEDDING": "false",
    }
    try:
        config = load_process_config(env_file=None, environ={**own, **environ})
        async with run(replace(config, dsn=dsn)) as running:
            yield Place(running.url, running.token, {"llm.provider": "replay", "llm.model": model})
    finally:
        await database.stop()


def play(place: Place, folder: Path) -> dict[str, runs_pb2.Run]:
    """Runs every pipeline once and answers with the finished runs by pipeline; blocks. `folder` takes the sources."""
    with LaceClient(place.url, place.token, timeout_s=60) as client:
        station, review = _read(client, folder)
        done = {"outline": _run(client, place, "outline", title=TITLE, source_ids=[station])}
        done["generate"] = _run(client, place, "generate", title=TITLE, source_ids=[station], targets=["md"])
        artifact_id = done["generate"].artifact_id
        both = [station, review]
        for pipeline_id in ("enrich", "expand", "patch", "auto", "regenerate"):
            instructions = "Leave out the loan." if pipeline_id == "patch" else ""
            done[pipeline_id] = _run(
                client, place, pipeline_id, artifact_id=artifact_id, source_ids=both, instructions=instructions
            )
        extracted = client.facts.extract(station, settings=place.settings)
        done["extract_facts"] = _finished(client, extracted.run_id)
        facts = [fact.fact_id for fact in client.facts.list(station)]
        spec = {
            "title": "What it cost",
            "purpose": "Say what the station cost, and who paid.",
            "allowed_fact_ids": facts,
        }
        paragraph_id = client.paragraphs.create(spec).paragraph_id
        written = client.paragraphs.generate(paragraph_id, settings=place.settings)
        done["paragraph"] = _finished(client, written.run_id)
        done["verify"] = _finished(client, client.paragraphs.verify(paragraph_id, settings=place.settings).run_id)
    return done


def _read(client: LaceClient, folder: Path) -> Sequence[str]:
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, content in SOURCES.items():
        (folder / name).write_text(content)
        ingestion = client.ingest([folder / name])
        _finished(client, ingestion.run_id)
        found.append(ingestion.sources[0].source_id)
    return found


def _run(
    client: LaceClient,
    place: Place,
    pipeline_id: str,
    *,
    source_ids: Sequence[str],
    title: str = "",
    instructions: str = "",
    artifact_id: str = "",
    targets: Sequence[str] = (),
) -> runs_pb2.Run:
    started = client.start_run(
        pipeline_id,
        title=title,
        instructions=instructions,
        source_ids=source_ids,
        artifact_id=artifact_id,
        scope="subtree" if artifact_id else "",
        targets=targets,
        settings=place.settings,
    )
    return _finished(client, started.run_id)


def _finished(client: LaceClient, run_id: str) -> runs_pb2.Run:
    for _ in client.watch_run(run_id):
        pass
    done = client.get_run(run_id)
    if done.state != runs_pb2.RUN_STATE_SUCCEEDED:
        again = " Changed on purpose? `make record`." if done.error_code == "RECORDING_NOT_FOUND" else ""
        raise RuntimeError(f"{done.pipeline_id}: {done.error_code} {done.error_message}{again}")
    return done
