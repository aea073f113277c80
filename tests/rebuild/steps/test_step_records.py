"""Steps are told as far as they have ended, and go with their run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graph.database import immediate
from rebuild.runs.record import Run
from rebuild.runs.table import Cause, Runs
from rebuild.steps.step_records import KeptSteps, StepRecord
from tests.graph_samples import Sample, definition_of
from tracker.views.runs import steps_of

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    yield made
    made.sql.close()


def started(sample: Sample) -> Run:
    runs = Runs(sample.sql)
    with immediate(sample.sql):
        asked = runs.add(definition_of("app"), Cause.QUICK, sample.at)
        claimed = runs.claim(sample.at, "somebody", run_id=asked.run_id)
    assert claimed is not None
    return claimed


def step(place: int, status: str = "succeeded") -> StepRecord:
    return StepRecord(place, f"s{place}", "cmd", status, NOON, NOON, 0, 1)


def told(sample: Sample, run: Run) -> list[tuple[str, str]]:
    return [(row.id, row.status) for row in steps_of(sample.sql, run.run_id)]


def test_steps_are_told_in_the_order_of_the_file_as_soon_as_they_end(sample: Sample) -> None:
    run = started(sample)
    kept = KeptSteps(sample.sql, run)

    kept.keep(step(2, "failed"))
    kept.keep(step(0))

    assert told(sample, run) == [("s0", "succeeded"), ("s2", "failed")]


def test_a_step_that_ends_while_somebody_holds_the_database_is_told_with_the_next(
    sample: Sample, tmp_path: Path
) -> None:
    run = started(sample)
    kept = KeptSteps(sample.sql, run)
    sample.sql.execute("PRAGMA busy_timeout = 0")
    file = sample.sql.execute("PRAGMA database_list").fetchone()[2]
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    kept.keep(step(0))
    other.execute("ROLLBACK")
    other.close()
    before = told(sample, run)

    kept.keep(step(1))

    assert before == []
    assert told(sample, run) == [("s0", "succeeded"), ("s1", "succeeded")]


def test_an_attempt_that_was_cut_off_tells_nothing_of_the_next(sample: Sample) -> None:
    run = started(sample)
    KeptSteps(sample.sql, run).keep(step(0))

    with immediate(sample.sql):
        Runs(sample.sql).requeue(run)

    assert told(sample, run) == []


def test_steps_are_forgotten_with_their_run(sample: Sample) -> None:
    run = started(sample)
    KeptSteps(sample.sql, run).keep(step(0))

    with immediate(sample.sql):
        sample.sql.execute("DELETE FROM runs WHERE number = ?", (run.number,))

    assert sample.sql.execute("SELECT count(*) FROM steps").fetchone() == (0,)
