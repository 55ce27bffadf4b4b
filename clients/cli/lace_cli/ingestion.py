"""Documents from disk into the system: uploaded in portions, then followed until they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lace_cli.failures import CommandError
from lace_cli.files import FORMATS, find_documents
from lace_cli.output import warn

if TYPE_CHECKING:
    from lace.ingest.v1 import ingest_pb2
    from lace_client import LaceClient, Rejected

# One request of moderate size each: what is lost with a connection is small, and the runs are few.
_PORTION_FILES = 200
_PORTION_BYTES = 100 << 20


@dataclass(frozen=True)
class Ingested:
    """What became of the documents: the sources as they are now, and those that were not taken."""

    run_ids: tuple[str, ...]
    sources: tuple[ingest_pb2.Source, ...]
    rejected: tuple[Rejected, ...]
    skipped: tuple[Path, ...]

    @property
    def readable(self) -> tuple[ingest_pb2.Source, ...]:
        """The sources out of which a document can be written."""
        return tuple(source for source in self.sources if source.unit_count)


def ingest_paths(
    api: LaceClient, paths: Sequence[Path], *, labels: Iterable[str] = (), wait: bool = True, quiet: bool = False
) -> Ingested:
    """Uploads all documents below the paths, and waits until they are read.

    A document that cannot be read is told of and stops none of the others. Raises CommandError where there is
    none, or where none could be read; LaceError where none was taken.
    """
    from lace_cli.display import follow

    found = find_documents(paths)
    run_ids: list[str] = []
    sources: dict[str, ingest_pb2.Source] = {}
    rejected: list[Rejected] = []
    for portion in portions(found.documents):
        answer = api.ingest(portion, labels=list(labels))
        run_ids.append(answer.run_id)
        rejected += answer.rejected
        sources.update((source.source_id, source) for source in answer.sources)
        if wait:
            events = api.watch_run(answer.run_id)
            if quiet:
                for _ in events:
                    pass
            else:
                follow("Reading", events)
    if wait:
        sources = {source_id: api.get_source(source_id) for source_id in sources}
    done = Ingested(tuple(run_ids), tuple(sources.values()), tuple(rejected), found.skipped)
    _tell_problems(done)
    if wait and not done.readable:
        raise CommandError("None of the documents could be read.", code="NO_USABLE_SOURCES")
    return done


def portions(documents: Sequence[Path]) -> Iterator[list[Path]]:
    """The documents in order, in groups that one request carries well; a big one goes alone."""
    portion: list[Path] = []
    size = 0
    for path in documents:
        bytes_more = path.stat().st_size
        if portion and (len(portion) >= _PORTION_FILES or size + bytes_more > _PORTION_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(path)
        size += bytes_more
    if portion:
        yield portion


def _tell_problems(done: Ingested) -> None:
    for path in done.skipped:
        warn(f"{path} was passed over: not {FORMATS}")
    for rejected in done.rejected:
        warn(f"{rejected.filename} was not taken: {rejected.message} [{rejected.error_code}]")
    for source in done.sources:
        if source.error_code:
            warn(f"{source.filename} could not be read: {source.error_message} [{source.error_code}]")
