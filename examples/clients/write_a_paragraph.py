"""From one document to one paragraph of which every sentence rests on facts that were chosen beforehand.

Start LACE with `make up`, which prints its URL and a token; then, with lace_client installed (`make setup` does):

    export LACE_URL=http://127.0.0.1:8080 LACE_TOKEN=...
    .venv/bin/python examples/clients/write_a_paragraph.py examples/dossier/01-programme-brief.md budget
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lace.runs.v1 import paragraphs_pb2, runs_pb2
from lace_client import LaceApiError, LaceClient

MOST_FACTS = 6


def wait_for(api: LaceClient, run_id: str) -> None:
    """Until a run has ended, and well."""
    for _ in api.watch_run(run_id):
        pass
    run = api.get_run(run_id)
    if run.state != runs_pb2.RUN_STATE_SUCCEEDED:
        raise SystemExit(f"The run did not succeed. {run.error_code}: {run.error_message}")


def written(api: LaceClient, path: Path, word: str) -> paragraphs_pb2.Paragraph:
    """A paragraph out of the facts of a document that hold a word."""
    given = api.ingest([path])
    wait_for(api, given.run_id)
    source_id = given.sources[0].source_id
    wait_for(api, api.facts.extract(source_id).run_id)
    allowed = [fact.fact_id for fact in api.facts.list(source_id, contains=word)][:MOST_FACTS]
    if not allowed:
        raise SystemExit(f"No fact of {path.name} holds {word!r}.")
    spec = {"title": word, "purpose": f"To say what is known of the {word}.", "allowed_fact_ids": allowed}
    made = api.paragraphs.create(spec)
    wait_for(api, api.paragraphs.generate(made.paragraph_id).run_id)
    return api.paragraphs.get(made.paragraph_id)


def main(path: Path, word: str) -> None:
    """Print what stands, the words that hold it, and whether it can be made again without a model."""
    with LaceClient(os.environ["LACE_URL"], os.environ["LACE_TOKEN"]) as api:
        found = written(api, path, word)
        for sentence in found.sentences:
            print(sentence.text)
            for link in sentence.facts:
                print(f"    {link.fact_id}: “{link.evidence.quote}”")
        for sentence in found.withheld:
            print(f"withheld ({sentence.verdict}): {sentence.text}")
        print("made again, it is the same:", api.paragraphs.rebuild(found.paragraph_id).same)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except LaceApiError as error:
        raise SystemExit(f"{error.reason}: {error.message}") from None
