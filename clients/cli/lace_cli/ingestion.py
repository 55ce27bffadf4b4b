"""Documents from disk into the system: what is there is passed over, the rest goes up in portions and is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lace_cli.failures import WRONG_USE, CommandError
from lace_cli.files import FORMATS, Found, Globs, find_documents
from lace_cli.output import warn
from lace_cli.reading import Show, Tally, follow_files, shown

if TYPE_CHECKING:
    from lace.ingest.v1 import ingest_pb2
    from lace.runs.v1 import runs_pb2
    from lace_client import LaceClient, Rejected

# One request of moderate size each: what is lost with a connection is small, and the runs are few.
_PORTION_FILES = 200
_PORTION_BYTES = 100 << 20
_ASKED_ONE_BY_ONE = 50
_TOLD_ONE_BY_ONE = 20


@dataclass(frozen=True)
class Ingested:
    """What became of the documents: the sources as they are now, those that were not taken, and those passed over.

    `there` are how many had been read before, so that nothing was done about them.
    """

    run_ids: tuple[str, ...]
    sources: tuple[ingest_pb2.Source, ...]
    rejected: tuple[Rejected, ...]
    skipped: tuple[Path, ...]
    there: int = 0

    @property
    def readable(self) -> tuple[ingest_pb2.Source, ...]:
        """The sources out of which a document can be written."""
        return tuple(source for source in self.sources if source.unit_count)


@dataclass(frozen=True)
class Given:
    """What is said of the documents: their labels, what one of them is a newer version of, whether they are private.

    With `again` also those go up that are there.
    """

    labels: tuple[str, ...] = ()
    version_of: str = ""
    private: bool = False
    again: bool = False


@dataclass
class _Work:
    """What was done so far."""

    run_ids: list[str] = field(default_factory=list)
    sources: dict[str, ingest_pb2.Source] = field(default_factory=dict)
    digests: dict[str, tuple[str, str]] = field(default_factory=dict)  # file name and SHA-256, by source
    rejected: list[Rejected] = field(default_factory=list)
    there: int = 0


def ingest_paths(
    api: LaceClient,
    paths: Sequence[Path],
    *,
    given: Given | None = None,
    globs: Globs | None = None,
    wait: bool = True,
    quiet: bool = False,
    can_go_on: bool = True,
) -> Ingested:
    """Uploads all documents below the paths that are not there yet, and waits until they are read.

    A document that cannot be read is told of and stops none of the others. Stopped in the middle it can be begun
    again: what is there by then is passed over. Raises CommandError where there is no document, or where none could
    be read; LaceError where none was taken. `can_go_on` says whether a stop is told how to go on.
    """
    given = given or Given()
    found = find_documents(paths, globs)
    _check(given, found)
    work, tally = _Work(), Tally(len(found.documents))
    try:
        with shown(tally, quiet=quiet) as show:
            for portion in portions(found.documents):
                _take_in(api, portion, given, work, tally, show if wait else None)
    except KeyboardInterrupt:
        if can_go_on:
            _tell_stopped(work)
        raise
    if wait:
        work.sources.update((source.source_id, source) for source in _as_they_are(api, work))
    sources = tuple(work.sources.values())
    done = Ingested(tuple(work.run_ids), sources, tuple(work.rejected), found.skipped, work.there)
    _tell_passed_over(found)
    _tell_problems(done)
    if wait and not done.readable:
        raise CommandError("None of the documents could be read.", code="NO_USABLE_SOURCES")
    return done


def _check(given: Given, found: Found) -> None:
    if given.version_of and len(found.documents) != 1:
        raise CommandError(
            f"{given.version_of} has one newer version, and {len(found.documents)} documents were given.",
            code="WRONG_USE",
            advice="Give one file with --version-of.",
            exit_code=WRONG_USE,
        )


def _take_in(
    api: LaceClient, portion: Sequence[Path], given: Given, work: _Work, tally: Tally, show: Show | None
) -> None:
    """A portion: what is new goes up, what was sent and never read is read, and the rest is left alone."""
    if show is not None:
        show("looking")
    fresh, unread = _sort(api, portion, given, work, tally)
    if unread:
        _read(api, api.start_run("ingest", source_ids=unread).run_id, len(unread), work, tally, show)
    if fresh:
        if show is not None:
            show("sending")
        answer = api.ingest(fresh, labels=given.labels, version_of=given.version_of, private=given.private)
        work.rejected += answer.rejected
        work.sources.update((source.source_id, source) for source in answer.sources)
        work.digests.update((source.source_id, (source.filename, source.sha256)) for source in answer.sources)
        tally.failed += len(answer.rejected)
        _read(api, answer.run_id, len(fresh) - len(answer.rejected), work, tally, show)


def _sort(
    api: LaceClient, portion: Sequence[Path], given: Given, work: _Work, tally: Tally
) -> tuple[list[Path], list[str]]:
    """The files to send, and the sources to read that were sent before."""
    if given.again or given.version_of:
        return list(portion), []
    digests = {path: (path.name, _sha256(path)) for path in portion}
    known = {
        (source.filename, source.sha256): source
        for source in api.intake.find(list(dict.fromkeys(digests.values())))
        if set(given.labels) <= set(source.labels) and given.private == _is_private(source)
    }
    fresh: list[Path] = []
    unread: list[str] = []
    for path, digest in digests.items():
        source = known.get(digest)
        if source is None:
            fresh.append(path)
            continue
        work.sources[source.source_id] = source
        work.digests[source.source_id] = digest
        if source.unit_count:
            work.there += 1
            tally.there += 1
        else:
            unread.append(source.source_id)
    return fresh, unread


def _read(api: LaceClient, run_id: str, files: int, work: _Work, tally: Tally, show: Show | None) -> None:
    work.run_ids.append(run_id)
    if show is not None:
        follow_files(api.watch_run(run_id), tally, show)
        tally.settle(files)
        show()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_private(source: ingest_pb2.Source) -> bool:
    return any(label.startswith("owner:") for label in source.labels)


def _as_they_are(api: LaceClient, work: _Work) -> Iterable[ingest_pb2.Source]:
    """The sources as they are now that they were read; many are asked for together."""
    if len(work.sources) <= _ASKED_ONE_BY_ONE:
        return [api.get_source(source_id) for source_id in work.sources]
    wanted = dict.fromkeys(work.digests[source_id] for source_id in work.sources)
    return [source for source in api.intake.find(list(wanted)) if source.source_id in work.sources]


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


def import_prefix(
    api: LaceClient, prefix: str, *, labels: Sequence[str] = (), wait: bool = True, quiet: bool = False
) -> tuple[str, tuple[runs_pb2.RunFile, ...]]:
    """Takes in what lies in the inbox under the prefix, and waits until it is read: the run, and its files.

    Raises LaceError INBOX_*, CommandError where nothing could be read.
    """
    run_id = api.intake.start_import(prefix, labels=labels).run_id
    if not wait:
        return run_id, ()
    tally = Tally(0)
    with shown(tally, quiet=quiet) as show:
        events = api.watch_run(run_id)
        for event in events:
            tally.take(event)
            tally.total = tally.run_total
            show()
    run = api.get_run(run_id)
    files = tuple(api.intake.files(run_id))
    _tell_files(files)
    if run.error_code:
        raise CommandError(run.error_message, code=run.error_code)
    return run_id, files


def _tell_files(files: Sequence[runs_pb2.RunFile]) -> None:
    failed = [file for file in files if file.error_code]
    for file in failed[:_TOLD_ONE_BY_ONE]:
        warn(f"{file.filename or file.source_id} could not be read: {file.error_message} [{file.error_code}]")
    if len(failed) > _TOLD_ONE_BY_ONE:
        warn(f"and {len(failed) - _TOLD_ONE_BY_ONE} more")


def _tell_stopped(work: _Work) -> None:
    if work.run_ids:
        warn(f"Stopped. What was sent is kept, and is being read: lace watch {work.run_ids[-1]}")
    typer.echo("Go on with the same command: what is there by then is passed over.", err=True)


def _tell_passed_over(found: Found) -> None:
    for path in found.skipped[:_TOLD_ONE_BY_ONE]:
        warn(f"{path} was passed over: not {FORMATS}")
    if len(found.skipped) > _TOLD_ONE_BY_ONE:
        warn(f"and {len(found.skipped) - _TOLD_ONE_BY_ONE} more files that are not {FORMATS}")
    counts = ((found.hidden, "hidden"), (found.links, "symbolic links"), (found.left_out, "left out by the globs"))
    said = ", ".join(f"{count} {what}" for count, what in counts if count)
    if said:
        warn(f"passed over besides: {said}")


def _tell_problems(done: Ingested) -> None:
    problems = [
        f"{rejected.filename} was not taken: {rejected.message} [{rejected.error_code}]" for rejected in done.rejected
    ]
    problems += [
        f"{source.filename} could not be read: {source.error_message} [{source.error_code}]"
        for source in done.sources
        if source.error_code
    ]
    for problem in problems:
        warn(problem)
