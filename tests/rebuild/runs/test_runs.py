"""The table of runs: one door for status, one queued run a task, one process a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.clock import now
from graph.database import immediate
from rebuild.runs.logs import log_path
from rebuild.runs.owner import is_alive, this_process
from rebuild.runs.recovery import ATTEMPTS_MOST, close_logs, hand_back, recover
from rebuild.runs.scratch import SCAN_PREFIX, scratch_folder, sweep
from rebuild.runs.table import Cause, Run, RunMoved, Runs, Status, run_id_of
from rebuild.tasks.task import Task, Tasks
from tests.graph_samples import Sample, definition_of

DEAD = "00000000-0000-0000-0000-000000000000:1:1"


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    yield made
    made.sql.close()


def add(sample: Sample, task: Task | None, cause: Cause = Cause.MANUAL, **more: object) -> Run:
    definition = task.definition if task else definition_of("app")
    with immediate(sample.sql):
        return Runs(sample.sql).add(
            definition,
            cause,
            sample.at,
            task_id=task.task_id if task else None,
            **more,  # type: ignore[arg-type]
        )


def claim(sample: Sample, owner: str = DEAD, run: Run | None = None) -> Run | None:
    with immediate(sample.sql):
        return Runs(sample.sql).claim(sample.at, owner, run_id=run.run_id if run else None)


@given(st.integers(1, 36**6 - 1), st.integers(1, 36**6 - 1))
def test_run_ids_are_short_words_that_sort_as_their_numbers_do(one: int, other: int) -> None:
    assert re.fullmatch("[a-z0-9]{2,7}", run_id_of(one))
    assert (run_id_of(one) < run_id_of(other)) == (one < other)


def test_a_second_wish_for_a_task_folds_into_the_queued_run(sample: Sample) -> None:
    task = sample.task("app", "app")
    first = add(sample, task, priority=1.0)

    second = add(sample, task, priority=5.0)

    assert second.run_id == first.run_id
    assert len(sample.sql.execute("SELECT 1 FROM runs").fetchall()) == 1


def test_a_wish_that_folds_in_forgets_what_an_interrupted_attempt_was_about_to_push(sample: Sample) -> None:
    task = sample.task("app", "app")
    run = add(sample, task)
    with immediate(sample.sql):
        Runs(sample.sql).set_intent(run, "{}")

    folded = add(sample, replace(task, definition=definition_of("app:other")))

    assert folded.intent is None
    assert folded.definition == definition_of("app:other")


def test_a_task_has_one_run_under_way_and_the_next_waits_for_it(sample: Sample) -> None:
    task = sample.task("app", "app")
    add(sample, task)
    first = claim(sample)
    add(sample, task)

    waiting = claim(sample)
    with immediate(sample.sql):
        Runs(sample.sql).finish(first or pytest.fail("nothing to claim"), Status.SUCCEEDED, sample.at)

    assert waiting is None
    assert claim(sample) is not None


def test_two_processes_claim_two_different_runs(sample: Sample) -> None:
    for name in ("a", "b"):
        add(sample, sample.task(name, name))
    other = sample.state.write()

    mine = claim(sample, "one")
    with immediate(other):
        theirs = Runs(other).claim(sample.at, "two")
        nothing = Runs(other).claim(sample.at, "two")
    other.close()

    assert mine and theirs and mine.run_id != theirs.run_id
    assert nothing is None


def test_the_most_urgent_run_is_claimed_first(sample: Sample) -> None:
    add(sample, sample.task("short", "short"), priority=1.0)
    urgent = add(sample, sample.task("long", "long"), priority=9.0)

    claimed = claim(sample)

    assert claimed and claimed.run_id == urgent.run_id


@pytest.mark.parametrize("outcome", [status for status in Status if status.finished])
def test_a_finished_run_moves_no_more(sample: Sample, outcome: Status) -> None:
    run = add(sample, None)
    claim(sample)
    with immediate(sample.sql):
        Runs(sample.sql).finish(run, outcome, sample.at)

    for move in (Runs.set_running, Runs.requeue):
        with pytest.raises(RunMoved, match=run.run_id), immediate(sample.sql):
            move(Runs(sample.sql), run)


def test_failures_in_a_row_are_counted_up_to_the_last_success(sample: Sample) -> None:
    task = sample.task("app", "app")
    for hours, status in enumerate((Status.FAILED, Status.ERROR, Status.SUCCEEDED, Status.FAILED)):
        sample.run(task, status, hours=9 - hours)
    last = sample.run(task, Status.TIMEOUT, hours=1)

    attempt = Runs(sample.sql).failed_attempts()[task.task_id]

    assert (attempt.run_id, attempt.count) == (last.run_id, 2)


def test_a_canceled_run_does_not_hide_the_failure_before_it(sample: Sample) -> None:
    task = sample.task("app", "app")
    failed = sample.run(task, Status.FAILED, hours=2)
    sample.run(task, Status.CANCELED, hours=1)

    attempt = Runs(sample.sql).failed_attempts()[task.task_id]

    assert (attempt.run_id, attempt.count) == (failed.run_id, 1)


def test_a_run_of_a_dead_process_is_queued_again_with_its_number_and_its_intent(sample: Sample) -> None:
    task = sample.task("app", "app")
    run = add(sample, task)
    claim(sample, DEAD)

    with immediate(sample.sql):
        Runs(sample.sql).set_intent(run, "{}")
        orphans = recover(sample.sql, sample.at)

    again = Runs(sample.sql).get(run.run_id)
    assert [orphan.run_id for orphan in orphans] == [run.run_id]
    assert (again.status, again.attempt, again.intent) == (Status.QUEUED, 2, "{}")


def test_a_run_of_a_living_process_is_left_alone_unless_that_process_lost_it(sample: Sample) -> None:
    run = add(sample, sample.task("app", "app"))
    claim(sample, this_process())

    with immediate(sample.sql):
        left_alone = recover(sample.sql, sample.at)
        lost = recover(sample.sql, sample.at, lost={run.number})

    assert left_alone == []
    assert [orphan.run_id for orphan in lost] == [run.run_id]


def test_a_quick_run_ends_with_the_command_that_asked_for_it(sample: Sample) -> None:
    run = add(sample, None, Cause.QUICK)
    claim(sample, DEAD)

    with immediate(sample.sql):
        recover(sample.sql, sample.at)

    assert Runs(sample.sql).get(run.run_id).status is Status.ERROR


def test_the_log_of_a_run_whose_process_died_says_how_it_ended(sample: Sample, tmp_path: Path) -> None:
    quick = add(sample, None, Cause.QUICK)
    claim(sample, DEAD, quick)
    again = add(sample, sample.task("app", "app"))
    claim(sample, DEAD, again)
    for run in (quick, again):
        log_path(tmp_path, run.run_id).write_bytes(b"half a li")

    with immediate(sample.sql):
        orphans = recover(sample.sql, sample.at)
    close_logs(sample.sql, orphans, tmp_path, sample.at)

    first, last = log_path(tmp_path, quick.run_id).read_text().splitlines()
    assert first == "half a li"
    assert last.endswith("ended with an error after 0s. Error: the process that carried it out ended")
    assert log_path(tmp_path, again.run_id).read_bytes() == b"half a li"  # it is done again


def test_a_newer_wish_takes_the_place_of_a_run_that_was_interrupted(sample: Sample) -> None:
    task = sample.task("app", "app")
    old = add(sample, task)
    claimed = claim(sample) or pytest.fail("nothing to claim")
    newer = add(sample, replace(task, definition=definition_of("app:other")))

    with immediate(sample.sql):
        hand_back(Runs(sample.sql), claimed, sample.at)

    assert Runs(sample.sql).get(old.run_id).status is Status.CANCELED
    assert Runs(sample.sql).get(newer.run_id).status is Status.QUEUED
    assert Runs(sample.sql).get(newer.run_id).definition == definition_of("app:other")


def test_a_run_that_ends_every_process_that_takes_it_is_given_up(sample: Sample) -> None:
    run = add(sample, sample.task("app", "app"))
    for _ in range(ATTEMPTS_MOST):
        claim(sample, DEAD)
        with immediate(sample.sql):
            recover(sample.sql, sample.at)

    assert Runs(sample.sql).get(run.run_id).status is Status.ERROR


def test_a_process_is_told_from_another_with_the_same_number() -> None:
    boot, pid, started = this_process().split(":")

    assert is_alive(f"{boot}:{pid}:{started}")
    assert not is_alive(f"{boot}:{pid}:{int(started) + 1}")
    assert not is_alive(DEAD)
    assert not is_alive(None)


def test_scratch_folders_of_dead_runs_are_swept_and_those_in_use_stay(sample: Sample, tmp_path: Path) -> None:
    run = add(sample, sample.task("app", "app"))
    claim(sample, this_process())
    (tmp_path / "scratch" / "zz-left").mkdir(parents=True, exist_ok=True)

    with scratch_folder(tmp_path / "scratch", run.run_id) as in_use:
        swept = sweep(tmp_path / "scratch", sample.sql, now())
        assert (swept, in_use.is_dir()) == (1, True)

    assert [*(tmp_path / "scratch").iterdir()] == []


def test_a_scan_keeps_its_folder_while_runs_are_swept(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "scratch" / f"{SCAN_PREFIX}x").mkdir(parents=True, exist_ok=True)

    later = (timedelta(), timedelta(days=2))
    swept = [sweep(tmp_path / "scratch", sample.sql, now() + passed) for passed in later]

    assert swept == [0, 1]


def test_a_saved_task_can_be_found_and_takes_its_images_with_it(sample: Sample) -> None:
    sample.task("app", "app:1", "app:2")
    with immediate(sample.sql):
        saved = Tasks(sample.sql).save("app", definition_of("app:2"), sample.at + timedelta(seconds=1))

    rows = sample.sql.execute("SELECT name FROM images WHERE task_id = ?", (saved.task_id,)).fetchall()
    assert rows == [("docker.io/library/app:2",)]
    assert Tasks(sample.sql).named("app").definition == definition_of("app:2")
