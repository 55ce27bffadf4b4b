"""`python -m tests.chaos`: kill whatever can be killed, and look whether anybody can tell afterwards."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.chaos import parts
from tests.chaos.counting import compare
from tests.chaos.exhaustive import Bench, Kill, Outcome, summary
from tests.chaos.infrastructure import Endured, broker_restarted, database_killed, store_away
from tests.chaos.installation import Installation
from tests.chaos.progress import Progress
from tests.chaos.random_kills import Report, kill_at_random
from tests.doubles.openai_server import OpenAIDouble, serving
from tests.doubles.writing_model import WritingModel

PARTS = ("count", "points", "kafka", "random", "database", "broker", "store")
_EVERY_ON_KAFKA = 10


async def main(arguments: argparse.Namespace) -> int:
    """The exit code: 0 where nothing was wrong."""
    print(f"seed {arguments.seed}", flush=True)
    scratch = Path(tempfile.mkdtemp(prefix="lace-parts-"))
    wrong = 0
    async with serving() as provider:
        provider.otherwise = WritingModel()
        settings = {
            "OPENAI_API_KEY": "sk-chaos-of-no-one",
            "OPENAI_BASE_URL": provider.base_url,
            "OPENAI_MODEL": "gpt-4o-mini",
            "LACE_LOG_LEVEL": "info",
        }
        try:
            for part in arguments.parts or PARTS:
                began = time.monotonic()
                print(f"\n== {part}", flush=True)
                wrong += await _PARTS[part](arguments, settings, provider, scratch)
                print(f"== {part}: {time.monotonic() - began:.0f} s", flush=True)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    print("\nnothing was lost and nothing done twice" if not wrong else f"\n{wrong} WRONG")
    return 1 if wrong else 0


async def _count(_: argparse.Namespace, settings: dict[str, str], provider: OpenAIDouble, __: Path) -> int:
    async with _installed(settings) as installation:
        compared = await compare(installation, provider)
    print(*compared, sep="\n", flush=True)
    return sum(not each.is_equal for each in compared)


async def _points(arguments: argparse.Namespace, settings: dict[str, str], _: OpenAIDouble, __: Path) -> int:
    lanes = [_Lane(settings) for _ in range(arguments.lanes)]
    return await _strike_all(arguments, lanes, arguments.every)


async def _kafka(arguments: argparse.Namespace, settings: dict[str, str], _: OpenAIDouble, scratch: Path) -> int:
    if problem := parts.missing("kafka"):
        return _passed_over("every tenth point on Kafka", problem)
    async with parts.kafka(scratch / "kafka") as broker:
        return await _strike_all(arguments, [_Lane({**settings, **broker.settings})], _EVERY_ON_KAFKA)


async def _random(arguments: argparse.Namespace, settings: dict[str, str], _: OpenAIDouble, __: Path) -> int:
    progress = Progress(arguments.kills)
    async with _installed(settings) as installation:

        def told(number: int, service: str, documents: int) -> None:
            progress.step(f"{service} killed, {documents} documents made")
            assert number <= arguments.kills

        report: Report = await kill_at_random(installation, arguments.seed, arguments.kills, told)
        progress.end()
        for line in report.problems:
            print(f"    {line}")
        if report.problems and arguments.verbose:
            print(installation.logs())
    killed = ", ".join(f"{service} {count}" for service, count in sorted(report.kills.items()))
    print(f"{report.kills.total()} kills ({killed}), {report.documents} documents, {report.seconds:.0f} s", flush=True)
    return len(report.problems)


async def _database(arguments: argparse.Namespace, settings: dict[str, str], _: OpenAIDouble, __: Path) -> int:
    return _tell(await database_killed(settings, arguments.blows), arguments.verbose)


async def _broker(arguments: argparse.Namespace, settings: dict[str, str], _: OpenAIDouble, scratch: Path) -> int:
    if problem := parts.missing("kafka"):
        return _passed_over("broker restart", problem)
    return _tell(await broker_restarted(settings, scratch / "broker", arguments.blows), arguments.verbose)


async def _store(arguments: argparse.Namespace, settings: dict[str, str], _: OpenAIDouble, scratch: Path) -> int:
    if problem := parts.missing("minio"):
        return _passed_over("MinIO away", problem)
    return _tell(await store_away(settings, scratch / "minio"), arguments.verbose)


_PARTS = {
    "count": _count,
    "points": _points,
    "kafka": _kafka,
    "random": _random,
    "database": _database,
    "broker": _broker,
    "store": _store,
}


class _Lane:
    """One installation that takes kills from the common list until it is empty."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        self.points: dict[str, Counter[tuple[str, str]]] = {}
        self.outcomes: list[Outcome] = []

    async def run(self, arguments: argparse.Namespace, plan: _Plan, every: int) -> None:
        async with _installed(self._settings) as installation:
            bench = Bench(installation)
            await bench.calibrate()
            self.points = bench.points
            plan.fill(bench.kills(), arguments, every)
            while (kill := plan.next()) is not None:
                outcome = await bench.strike(kill)
                self.outcomes.append(outcome)
                plan.told(outcome, arguments.verbose)


class _Plan:
    """The kills that are still to be done."""

    def __init__(self) -> None:
        self._left: list[Kill] | None = None
        self._progress = Progress(0)

    def fill(self, kills: list[Kill], arguments: argparse.Namespace, every: int) -> None:
        """The first lane that knows the points decides."""
        if self._left is not None:
            return
        found = [kill for kill in kills if arguments.match in str(kill)][::every]
        if arguments.sample and arguments.sample < len(found):
            found = sorted(random.Random(arguments.seed).sample(found, arguments.sample))
        print(f"{len(kills)} kills at {len({(k.service, k.point) for k in kills})} points; {len(found)} are done here")
        self._left = found[::-1]
        self._progress = Progress(len(found))

    def next(self) -> Kill | None:
        return self._left.pop() if self._left else None

    def told(self, outcome: Outcome, verbose: bool) -> None:
        self._progress.step(str(outcome.kill))
        if not outcome.problems:
            return
        self._progress.end()
        print(f"WRONG {outcome.kill} ({outcome.seconds:.1f} s, {'reached' if outcome.reached else 'not reached'})")
        for line in outcome.problems:
            print(f"    {line}", flush=True)
        if verbose:
            print("    " + outcome.logs.replace("\n", "\n    "), flush=True)


async def _strike_all(arguments: argparse.Namespace, lanes: Sequence[_Lane], every: int) -> int:
    plan = _Plan()
    await asyncio.gather(*(lane.run(arguments, plan, every) for lane in lanes))
    outcomes = [outcome for lane in lanes for outcome in lane.outcomes]
    print(f"\n{summary(lanes[0].points, outcomes)}", flush=True)
    return sum(bool(outcome.problems) for outcome in outcomes)


@contextlib.asynccontextmanager
async def _installed(settings: dict[str, str]) -> AsyncIterator[Installation]:
    installation = Installation(settings)
    try:
        await installation.start()
        yield installation
    except BaseException:
        print(installation.logs())
        raise
    finally:
        await installation.stop()


def _tell(endured: Endured, verbose: bool) -> int:
    print(f"{endured.what}: {endured.documents} documents, {endured.seconds:.0f} s", flush=True)
    for line in endured.problems:
        print(f"    {line}", flush=True)
    if endured.problems and verbose:
        print(endured.logs, flush=True)
    return len(endured.problems)


def _passed_over(what: str, problem: str) -> int:
    """Missing parts fail the run where LACE_REQUIRE_REAL_PARTS=1 asks for them."""
    required = os.environ.get("LACE_REQUIRE_REAL_PARTS") == "1"
    print(f"{what}: {'MISSING' if required else 'SKIPPED'}, {problem}", flush=True)
    return int(required)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, help="what to do; all of it where left out", metavar="PART")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="makes choices again that were made before")
    parser.add_argument("--sample", type=int, default=0, help="so many kills of all, chosen by the seed")
    parser.add_argument("--every", type=int, default=1, help="every so manieth kill")
    parser.add_argument("--match", default="", help="kills whose name holds this alone, such as 'runs: between'")
    parser.add_argument("--lanes", type=int, default=max(1, min(2, (os.cpu_count() or 1) // 2)), help="installations")
    parser.add_argument("--kills", type=int, default=200, help="random kills")
    parser.add_argument("--blows", type=int, default=3, help="times that a part below the services goes away")
    parser.add_argument("--verbose", action="store_true", help="show logs where something was wrong")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(_arguments())))
