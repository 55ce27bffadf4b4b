"""From a folder of documents to a cited document in four formats, by plain HTTP requests.

Start LACE with `make up`, which prints its URL and a token. Then, with httpx alone:

    export LACE_URL=http://127.0.0.1:8080 LACE_TOKEN=...
    .venv/bin/python examples/clients/generate_with_rest.py examples/dossier "What the dossier says" out
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx


def post(api: httpx.Client, path: str, **content: Any) -> dict[str, Any]:
    """A change. The key makes it safe to send again: the same key is answered with the same result."""
    return checked(api.post(path, headers={"idempotency-key": uuid.uuid4().hex}, **content))


def checked(answer: httpx.Response) -> dict[str, Any]:
    """The answer's body; a refusal ends the program with its code and message."""
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        raise SystemExit(f"{body['error_code']}: {body['message']} ({body['correlation_id']})")
    return body


def events(api: httpx.Client, run_id: str) -> Iterator[dict[str, Any]]:
    """A run's events to its end; a lost connection is taken up again after the last event that came."""
    last = ""
    while True:
        try:
            with api.stream("GET", f"/v1/runs/{run_id}/stream", headers={"last-event-id": last}) as answer:
                if answer.raise_for_status().status_code == 204:
                    return  # the run has ended and nothing follows
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        event = json.loads(line.removeprefix("data: "))
                        last = event["event_id"]
                        yield event
        except httpx.TransportError:
            time.sleep(1)


def follow(api: httpx.Client, run_id: str) -> dict[str, Any]:
    """Show what a run does; the run when it has ended, and well."""
    for event in events(api, run_id):
        print(f"{event['progress_pct']:5.1f} %  {event['event_type']}  {event['step_id']}")
    run = checked(api.get(f"/v1/runs/{run_id}"))
    if run["state"] != "succeeded":
        raise SystemExit(f"The run is {run['state']}. {run['error_code']}: {run['error_message']}")
    return run


def main(folder: Path, title: str, out: Path) -> None:
    """Upload, generate, download."""
    bearer = {"authorization": f"Bearer {os.environ['LACE_TOKEN']}"}
    with httpx.Client(base_url=os.environ["LACE_URL"], headers=bearer, timeout=60) as api:
        files = [("files", (path.name, path.read_bytes())) for path in sorted(folder.iterdir()) if path.is_file()]
        taken = post(api, "/v1/sources:ingest", files=files)
        for file in taken["rejected"]:
            print(f"{file['filename']} was not taken: {file['message']}", file=sys.stderr)
        ids = follow(api, taken["run_id"])["source_ids"]
        run = follow(api, post(api, "/v1/runs/generate", json={"title": title, "source_ids": ids})["run_id"])
        out.mkdir(parents=True, exist_ok=True)
        for compiled in checked(api.get(f"/v1/compiled/{run['artifact_id']}"))["compiled"]:
            (out / compiled["filename"]).write_bytes(api.get(compiled["download_url"]).raise_for_status().content)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
