"""What the service clears away by the clock: its engine's storage, and runs of long ago."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graph.database import immediate
from rebuild.engines.engine import EngineError, Pruned
from rebuild.runs.logs import log_path
from rebuild.runs.retention import BATCH
from rebuild.runs.table import Cause, Runs, Status
from tests.graph_samples import Sample, definition_of
from tracker.upkeep import CACHE_KEPT_S, CLEAR_EVERY_S, EngineStorage, OldRuns

pytestmark = pytest.mark.anyio


@dataclass
class Engine:
    """Answers `prune` with what stands in `answers`, the last one for ever."""

    answers: list[Pruned | EngineError]
    asked_s: list[float] = field(default_factory=list)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    async def prune(self, *, older_than_s: float) -> Pruned:
        self.asked_s.append(older_than_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def storage(self) -> EngineStorage:
        return EngineStorage(self.prune, lambda: self.now)


async def test_a_storage_is_cleared_once_a_day() -> None:
    engine = Engine([Pruned(3)])
    storage = engine.storage()

    for _ in range(48):
        await storage.clear()
        engine.now += timedelta(seconds=CLEAR_EVERY_S / 24)

    assert engine.asked_s == [CACHE_KEPT_S, CACHE_KEPT_S]


@pytest.mark.parametrize("hindrance", [Pruned(0, "a build is running"), EngineError("podman is gone")])
async def test_a_storage_that_could_not_be_cleared_is_tried_at_the_next_call(
    hindrance: Pruned | EngineError,
) -> None:
    engine = Engine([hindrance, Pruned(1)])
    storage = engine.storage()

    for _ in range(3):
        await storage.clear()

    assert len(engine.asked_s) == 2


@dataclass
class Past:
    """A state with quick runs that ended long ago, each with its log."""

    sample: Sample
    logs: Path

    def run(self, *, archived: bool = False) -> str:
        at = self.sample.at - timedelta(days=40)
        runs = Runs(self.sample.sql)
        with immediate(self.sample.sql):
            run = runs.add(definition_of("app"), Cause.QUICK, at)
            runs.finish(run, Status.CANCELED, at)
            runs.set_archived(run, archived=archived)
        path = log_path(self.logs, run.run_id)
        path.write_text("built\n")
        os.utime(path, (at.timestamp(), at.timestamp()))
        return run.run_id

    @property
    def kept_logs(self) -> set[str]:
        return {path.stem for path in self.logs.iterdir()}

    def old_runs(self, **keep: float) -> OldRuns:
        return OldRuns(self.sample.sql, self.logs, now=lambda: self.sample.at, **keep)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    made = Past(Sample.make(tmp_path), tmp_path / "logs")
    made.logs.mkdir(exist_ok=True)
    yield made
    made.sample.sql.close()


MONTH_S, YEAR_S = 30 * 86400.0, 365 * 86400.0


async def test_the_log_of_a_run_goes_with_it_and_that_of_an_archived_one_stays(past: Past) -> None:
    gone, archived, newest = past.run(), past.run(archived=True), past.run()
    old = past.old_runs(keep_runs_s=MONTH_S, keep_logs_s=YEAR_S)

    assert await old.forget() == 1

    assert past.kept_logs == {archived, newest}
    assert gone not in past.kept_logs


async def test_a_log_may_go_before_its_run(past: Past) -> None:
    past.run()
    archived = past.run(archived=True)
    old = past.old_runs(keep_runs_s=YEAR_S, keep_logs_s=MONTH_S)

    assert (await old.forget(), await old.expire_logs()) == (0, 1)

    assert past.kept_logs == {archived}


async def test_others_write_while_thousands_of_runs_are_forgotten(past: Past) -> None:
    first = past.run()
    columns = [row[1] for row in past.sample.sql.execute("PRAGMA table_info(runs)")]
    copied = ", ".join(name for name in columns if name not in ("id", "number"))
    past.sample.sql.execute(
        "WITH RECURSIVE n(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < 3000)"
        f" INSERT INTO runs(number, id, {copied}) SELECT 1000 + at, 'x' || at, {copied}"
        " FROM n, runs WHERE id = ?",
        (first,),
    )
    old = past.old_runs(keep_runs_s=MONTH_S, keep_logs_s=YEAR_S)
    written = 0

    async def write() -> None:
        nonlocal written
        while True:
            with immediate(past.sample.sql):
                written += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        assert await old.forget() == 3000
        writing.cancel()

    assert written >= 3000 / BATCH
