"""Old runs are forgotten, but for those that something still rests on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.clock import to_text
from graph.database import immediate
from rebuild.runs.retention import forget_runs, forget_waves
from rebuild.runs.table import Cause, Runs, Status
from rebuild.tasks.task import Task
from tests.graph_samples import Sample, definition_of

DAY = timedelta(days=1)


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    yield made
    made.sql.close()


def run(
    sample: Sample,
    status: Status,
    *,
    task: Task | None = None,
    wave_id: int | None = None,
    days: float = 40,
) -> str:
    """A run that ended so, and so long ago."""
    at = sample.at - days * DAY
    runs = Runs(sample.sql)
    with immediate(sample.sql):
        task_id = task.task_id if task else None
        added = runs.add(definition_of("app"), Cause.MANUAL, at, task_id=task_id, wave_id=wave_id)
        if status is Status.QUEUED:
            return added.run_id
        claimed = runs.claim(at, "somebody", run_id=added.run_id)
        assert claimed is not None
        if status is Status.CANCELED:
            sample.sql.execute(
                "UPDATE runs SET cancel_requested_at = ? WHERE number = ?", (to_text(at), claimed.number)
            )
        if status.finished:
            runs.finish(claimed, status, at)
    return added.run_id


def forget(sample: Sample, *, before: datetime | None = None, most: int = 500) -> list[str]:
    gone: list[str] = []
    start: int | None = 0
    while start is not None:
        with immediate(sample.sql):
            batch = forget_runs(sample.sql, before=before or sample.at - 30 * DAY, start=start, most=most)
        gone += batch.run_ids
        start = batch.go_on_from
    return gone


def newest(sample: Sample) -> None:
    """A young run, so that none of the others is the newest of all."""
    run(sample, Status.SUCCEEDED, days=0)


def test_a_run_that_ended_long_ago_is_forgotten(sample: Sample) -> None:
    old = run(sample, Status.FAILED)
    run(sample, Status.FAILED, days=20)
    newest(sample)

    assert forget(sample) == [old]


def test_an_archived_run_stays(sample: Sample) -> None:
    kept = run(sample, Status.SUCCEEDED)
    newest(sample)
    with immediate(sample.sql):
        Runs(sample.sql).set_archived(Runs(sample.sql).get(kept), archived=True)

    assert forget(sample) == []


@pytest.mark.parametrize("status", [Status.QUEUED, Status.STARTED])
def test_a_run_that_is_not_over_stays(sample: Sample, status: Status) -> None:
    run(sample, status)
    newest(sample)

    assert forget(sample) == []


def test_the_newest_run_stays_so_that_no_id_is_given_twice(sample: Sample) -> None:
    forgotten, last = run(sample, Status.SUCCEEDED), run(sample, Status.SUCCEEDED)

    assert forget(sample) == [forgotten]
    assert run(sample, Status.QUEUED) > last


def test_a_task_keeps_its_last_success_and_every_failure_since(sample: Sample) -> None:
    task = sample.task("app", "app")
    old = [run(sample, Status.FAILED, task=task), run(sample, Status.SUCCEEDED, task=task)]
    run(sample, Status.SUCCEEDED, task=task)
    run(sample, Status.FAILED, task=task)
    run(sample, Status.TIMEOUT, task=task)
    newest(sample)
    failed = Runs(sample.sql).failed_attempts()

    assert forget(sample) == old
    assert Runs(sample.sql).failed_attempts() == failed
    assert failed[task.task_id].count == 2


def test_a_task_keeps_its_last_run_if_somebody_canceled_it(sample: Sample) -> None:
    task = sample.task("app", "app")
    old = run(sample, Status.CANCELED, task=task)
    run(sample, Status.CANCELED, task=task)
    newest(sample)

    assert forget(sample) == [old]
    assert task.task_id in Runs(sample.sql).canceled_tasks()


def test_the_runs_of_a_wave_stay_until_it_is_over(sample: Sample) -> None:
    runs = Runs(sample.sql)
    with immediate(sample.sql):
        over, going = (runs.add_wave([1], 1.0, 1.0, sample.at - 50 * DAY) for _ in range(2))
        runs.finish_wave(over, sample.at - 40 * DAY)
    gone = run(sample, Status.SUCCEEDED, wave_id=over)
    run(sample, Status.SUCCEEDED, wave_id=going)
    newest(sample)

    assert forget(sample) == [gone]


def test_a_wave_goes_with_its_last_run(sample: Sample) -> None:
    runs = Runs(sample.sql)
    with immediate(sample.sql):
        wave_id = runs.add_wave([1], 1.0, 1.0, sample.at - 50 * DAY)
        runs.finish_wave(wave_id, sample.at - 40 * DAY)
    run(sample, Status.SUCCEEDED, wave_id=wave_id)
    newest(sample)

    before = forget_waves(sample.sql, before=sample.at)
    forget(sample)

    assert (before, forget_waves(sample.sql, before=sample.at)) == (0, 1)


@pytest.mark.parametrize("most", [1, 2, 7])
def test_batches_of_any_size_forget_the_same(sample: Sample, most: int) -> None:
    old = [run(sample, Status.SUCCEEDED) for _ in range(5)]
    newest(sample)

    assert forget(sample, most=most) == old


endings = st.sampled_from([status for status in Status if status.finished])


@given(history=st.lists(st.tuples(st.integers(0, 1), endings), max_size=12), at=st.integers(0, 12))
def test_forgetting_changes_nothing_of_what_is_decided(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[int, Status]], at: int
) -> None:
    sample = Sample.make(tmp_path_factory.mktemp("state"))
    tasks = [sample.task("one", "one"), sample.task("two", "two")]
    for number, (task, status) in enumerate(history):
        run(sample, status, task=tasks[task], days=len(history) - number)
    runs = Runs(sample.sql)
    told = (runs.failed_attempts(), runs.canceled_tasks(), runs.durations_s())

    forget(sample, before=sample.at - at * DAY)

    assert (runs.failed_attempts(), runs.canceled_tasks(), runs.durations_s()) == told
    sample.sql.close()
