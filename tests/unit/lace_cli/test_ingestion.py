"""Folders on their way in: what is there is passed over, what was sent is read, and a stop leaves what can go on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from lace.common.v1 import event_pb2
from lace.ingest.v1 import ingest_pb2
from lace.runs.v1 import runs_pb2
from lace_cli import ingestion
from lace_cli.failures import CommandError
from lace_cli.ingestion import Given, import_prefix, ingest_paths
from lace_cli.reading import Tally, shown
from lace_client import Ingestion, LaceClient, Rejected


@dataclass
class FakeApi:
    """Keeps sources by name and hash; each run reads its sources as it is watched, `unreadable` ones in vain."""

    sources: dict[str, ingest_pb2.Source] = field(default_factory=dict)
    runs: dict[str, list[str]] = field(default_factory=dict)
    sent: list[list[str]] = field(default_factory=list)
    unreadable: frozenset[str] = frozenset()
    stop_in_run: int = 0

    @property
    def intake(self) -> FakeApi:
        return self

    def find(self, files: Sequence[tuple[str, str]]) -> Iterator[ingest_pb2.Source]:
        wanted = {f"src_{name}_{sha256[:6]}" for name, sha256 in files}
        yield from (source for source_id, source in self.sources.items() if source_id in wanted)

    def ingest(self, paths: Sequence[Path], *, labels: Sequence[str], version_of: str, private: bool) -> Ingestion:
        self.sent.append([path.name for path in paths])
        made = [self._keep(path, labels) for path in paths if path.suffix != ".pdf"]
        rejected = [Rejected(path.name, "SOURCE_UNREADABLE", "No PDF.") for path in paths if path.suffix == ".pdf"]
        run_id = self.start_run("ingest", source_ids=[source.source_id for source in made]).run_id
        return Ingestion(run_id, tuple(made), tuple(rejected))

    def start_run(self, pipeline_id: str, *, source_ids: Sequence[str]) -> runs_pb2.StartRunResponse:
        run_id = f"run_{len(self.runs) + 1}"
        self.runs[run_id] = list(dict.fromkeys(source_ids))
        return runs_pb2.StartRunResponse(run_id=run_id)

    def start_import(self, prefix: str, *, labels: Sequence[str]) -> runs_pb2.StartRunResponse:
        return self.start_run("import", source_ids=[prefix])

    def files(self, run_id: str) -> Iterator[runs_pb2.RunFile]:
        for source_id in self.runs[run_id]:
            failed = source_id in self.unreadable
            yield runs_pb2.RunFile(filename=source_id, error_code="SOURCE_UNREADABLE" if failed else "")

    def get_run(self, run_id: str) -> runs_pb2.Run:
        failed = all(source_id in self.unreadable for source_id in self.runs[run_id])
        return runs_pb2.Run(error_code="NO_USABLE_SOURCES" if failed else "", error_message="None.")

    def get_source(self, source_id: str) -> ingest_pb2.Source:
        return self.sources[source_id]

    def watch_run(self, run_id: str) -> Iterator[event_pb2.RunEvent]:
        counts = event_pb2.FileCounts(total=len(self.runs[run_id]))
        for source_id in self.runs[run_id]:
            if len(self.runs) == self.stop_in_run:
                raise KeyboardInterrupt
            if source_id in self.unreadable:
                counts.failed += 1
            else:
                counts.ready += 1
                if source_id in self.sources:
                    self.sources[source_id].unit_count = 3
            progress = event_pb2.RunProgressV2(files=counts)
            yield event_pb2.RunEvent(payload=event_pb2.EventPayload(run_progress_v2=progress))

    def _keep(self, path: Path, labels: Sequence[str]) -> ingest_pb2.Source:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        source_id = f"src_{path.name}_{sha256[:6]}"
        source = ingest_pb2.Source(source_id=source_id, filename=path.name, sha256=sha256, labels=labels)
        return self.sources.setdefault(source_id, source)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(5):
        (tmp_path / f"f{number}.md").write_text(f"# {number}")
    return tmp_path


@pytest.fixture
def portions_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingestion, "_PORTION_FILES", 2)


def _ingest(api: FakeApi, *paths: Path, **values: Any) -> ingestion.Ingested:
    return ingest_paths(cast(LaceClient, api), paths, quiet=True, **values)


def test_the_second_time_nothing_is_sent(folder: Path) -> None:
    api = FakeApi()
    first = _ingest(api, folder)
    assert (len(first.readable), first.there, len(api.sent)) == (5, 0, 1)
    second = _ingest(api, folder)
    assert (len(second.readable), second.there) == (5, 5)
    assert (len(api.sent), len(api.runs)) == (1, 1)
    assert _ingest(api, folder, given=Given(again=True)).there == 0
    assert len(api.sent) == 2


def test_a_stop_leaves_what_can_go_on(folder: Path, portions_of_two: None, capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi(stop_in_run=2)
    with pytest.raises(KeyboardInterrupt):
        _ingest(api, folder)
    assert "lace watch run_2" in capsys.readouterr().err
    api.stop_in_run = 0
    done = _ingest(api, folder)
    assert (len(done.readable), done.there) == (5, 2)
    assert api.sent == [["f0.md", "f1.md"], ["f2.md", "f3.md"], ["f4.md"]]
    # What was sent and not read is read without being sent again.
    assert [len(ids) for ids in api.runs.values()] == [2, 2, 2, 1]


def test_other_labels_go_up_again(folder: Path) -> None:
    api = FakeApi()
    _ingest(api, folder)
    _ingest(api, folder, given=Given(labels=("secret",)))
    assert len(api.sent) == 2


def test_what_cannot_be_read_is_told_and_stops_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "scan.pdf").write_bytes(b"x")
    api = FakeApi()
    done = _ingest(api, folder)
    assert len(done.readable) == 5
    assert "scan.pdf was not taken: No PDF. [SOURCE_UNREADABLE]" in capsys.readouterr().err


def test_nothing_readable_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    api = FakeApi()
    api.unreadable = frozenset({f"src_a.md_{hashlib.sha256(b'x').hexdigest()[:6]}"})
    with pytest.raises(CommandError, match="None of the documents"):
        _ingest(api, tmp_path)


def test_progress_counts_over_all_runs(folder: Path, portions_of_two: None, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "f0.md").write_text("# 0")  # the same file once more
    ingest_paths(cast(LaceClient, FakeApi()), [folder])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Reading")]
    assert "0 of 6 files" in lines[0]
    assert "100 %" in lines[-1]


def test_the_tally_of_a_run_that_broke_off_counts_its_files_as_not_read() -> None:
    seconds = iter((0.0, 30.0, 30.0))
    tally = Tally(10, now=lambda: next(seconds))
    counts = event_pb2.FileCounts(total=6, ready=2, failed=1)
    tally.take(
        event_pb2.RunEvent(payload=event_pb2.EventPayload(run_progress_v2=event_pb2.RunProgressV2(files=counts)))
    )
    assert (tally.done, tally.unreadable) == (3, 1)
    tally.settle(6)
    assert (tally.done, tally.unreadable, tally.total) == (6, 4, 10)
    assert tally.words == "6 of 10 files, 12/min, 4 could not be read"
    with shown(tally, quiet=True) as show:
        show("anything")


def test_the_inbox_is_taken_in_and_its_problems_told(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi(unreadable=frozenset({"2025/"}))
    run_id, files = import_prefix(cast(LaceClient, api), "2026/")
    assert (run_id, [file.filename for file in files]) == ("run_1", ["2026/"])
    with pytest.raises(CommandError) as caught:
        import_prefix(cast(LaceClient, api), "2025/", quiet=True)
    assert caught.value.code == "NO_USABLE_SOURCES"
    assert "2025/ could not be read" in capsys.readouterr().err
    assert import_prefix(cast(LaceClient, api), "2027/", wait=False) == ("run_3", ())
