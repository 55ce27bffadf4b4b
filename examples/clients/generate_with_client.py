"""From a folder of documents to a cited document in four formats, by the typed client.

Start LACE with `make up`, which prints its URL and a token; then, with lace_client installed (`make setup` does):

    export LACE_URL=http://127.0.0.1:8080 LACE_TOKEN=...
    .venv/bin/python examples/clients/generate_with_client.py examples/dossier "What the dossier says" out
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lace.runs.v1 import runs_pb2
from lace_client import LaceApiError, LaceClient

FORMATS = {".pdf", ".docx", ".md", ".txt", ".json"}


def follow(api: LaceClient, run_id: str) -> runs_pb2.Run:
    """Show what a run does; the run when it has ended, and well. A lost connection is taken up again."""
    for event in api.watch_run(run_id):
        print(f"{event.progress_pct:5.1f} %  {event.event_type}  {event.step_id}")
    run = api.get_run(run_id)
    if run.state != runs_pb2.RUN_STATE_SUCCEEDED:
        raise SystemExit(f"The run did not succeed. {run.error_code}: {run.error_message}")
    return run


def main(folder: Path, title: str, out: Path) -> None:
    """Upload, generate, download."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in FORMATS)
    with LaceClient(os.environ["LACE_URL"], os.environ["LACE_TOKEN"]) as api:
        read = follow(api, api.ingest(paths).run_id)
        run = follow(api, api.start_run("generate", title=title, source_ids=read.source_ids).run_id)
        out.mkdir(parents=True, exist_ok=True)
        for compiled in api.list_compiled(run.artifact_id, revision_id=run.revision_id):
            print(api.download(compiled, out / compiled.filename))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    except LaceApiError as error:
        raise SystemExit(f"{error.reason}: {error.message}") from None
