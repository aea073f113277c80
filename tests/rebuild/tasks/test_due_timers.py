"""What becomes of timers that are due: a run, with its timer as the reason, or a told reason for none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from graph.database import immediate
from rebuild.runs.table import Cause, Runs, Status
from rebuild.tasks.due_timers import Activity, Effect, Missed, Overlap, TimerRules, decide_timer, fire_due
from rebuild.tasks.schedule import Schedule
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.timers import Timer, Timers
from tests.graph_samples import Sample

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
FOUR = NOON + timedelta(hours=16)
DAY = timedelta(days=1)
NIGHTLY = Timer("nightly", Schedule.parse("0 4 * * *"))
RULES = TimerRules()
ON_TIME, LATE = timedelta(seconds=1), timedelta(days=3)


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    made.at = NOON
    yield made
    made.sql.close()


@pytest.fixture
def web(sample: Sample) -> Task:
    return with_timers(sample, "web", NIGHTLY)


def with_timers(sample: Sample, name: str, *timers: Timer) -> Task:
    task = sample.task(name, f"localhost:5000/{name}:1")
    with immediate(sample.sql):
        Timers(sample.sql).replace(task.task_id, timers, NOON)
    return task


def fire(sample: Sample, at: datetime, rules: TimerRules = RULES, most: int = 100) -> list[Effect]:
    with immediate(sample.sql):
        return [one.effect for one in fire_due(sample.sql, at, rules, most=most)]


def runs(sample: Sample) -> list[tuple[str, str, Any]]:
    rows = sample.sql.execute("SELECT cause, status, reason FROM runs ORDER BY number")
    return [(cause, status, json.loads(reason)) for cause, status, reason in rows]


def next_at(sample: Sample, task: Task) -> datetime | None:
    (standing,) = Timers(sample.sql).standing(task.task_id)
    return standing.next_at


@pytest.mark.parametrize(
    ("late", "activity", "rules", "effect"),
    [
        (ON_TIME, Activity.IDLE, RULES, Effect.FIRED),
        (LATE, Activity.IDLE, RULES, Effect.FIRED),
        (LATE, Activity.IDLE, TimerRules(Missed.SKIP), Effect.MISSED),
        (ON_TIME, Activity.IDLE, TimerRules(Missed.SKIP), Effect.FIRED),
        (ON_TIME, Activity.UNDER_WAY, RULES, Effect.BUSY),
        (ON_TIME, Activity.UNDER_WAY, TimerRules(overlap=Overlap.QUEUE), Effect.FIRED),
        (ON_TIME, Activity.QUEUED, RULES, Effect.BUSY),
        (ON_TIME, Activity.QUEUED, TimerRules(overlap=Overlap.QUEUE), Effect.BUSY),
        (ON_TIME, Activity.PAUSED, RULES, Effect.PAUSED),
    ],
)
def test_what_comes_of_a_timer(
    late: timedelta, activity: Activity, rules: TimerRules, effect: Effect
) -> None:
    assert decide_timer(FOUR, FOUR + late, activity, rules) is effect


def test_a_timer_makes_a_run_that_names_it(sample: Sample, web: Task) -> None:
    effects = fire(sample, FOUR)

    assert effects == [Effect.FIRED]
    reason = [{"timer": "nightly", "due_at": "2026-12-01T04:00:00.000Z"}]
    assert runs(sample) == [("timer", "Queued", reason)]


def test_nothing_fires_before_its_time(sample: Sample, web: Task) -> None:
    assert fire(sample, FOUR - timedelta(milliseconds=1)) == []


def test_a_timer_that_fired_is_due_at_its_next_time(sample: Sample, web: Task) -> None:
    fire(sample, FOUR)

    (standing,) = Timers(sample.sql).standing(web.task_id)
    assert (standing.next_at, standing.fired_at) == (FOUR + DAY, FOUR)
    assert fire(sample, FOUR) == []


def test_a_timer_that_was_due_often_while_nobody_looked_fires_once(sample: Sample, web: Task) -> None:
    later = FOUR + 5 * DAY + timedelta(hours=1)

    effects = fire(sample, later) + fire(sample, later)

    assert effects == [Effect.FIRED]
    assert next_at(sample, web) == FOUR + 6 * DAY


def test_a_timer_that_was_missed_is_left_out_where_the_operator_says_so(sample: Sample, web: Task) -> None:
    effects = fire(sample, FOUR + timedelta(hours=1), TimerRules(Missed.SKIP))

    assert (effects, runs(sample)) == ([Effect.MISSED], [])
    assert next_at(sample, web) == FOUR + DAY


def test_a_task_that_is_being_carried_out_is_not_started_again(sample: Sample, web: Task) -> None:
    sample.run(web, Status.RUNNING, hours=0)

    effects = fire(sample, FOUR)

    assert effects == [Effect.BUSY]
    assert len(runs(sample)) == 1
    assert next_at(sample, web) == FOUR + DAY


def test_a_task_that_is_being_carried_out_runs_once_more_where_the_operator_says_so(
    sample: Sample, web: Task
) -> None:
    sample.run(web, Status.RUNNING, hours=0)
    rules = TimerRules(overlap=Overlap.QUEUE)

    effects = fire(sample, FOUR, rules) + fire(sample, FOUR + DAY, rules)

    assert effects == [Effect.FIRED, Effect.BUSY]
    assert [(cause, status) for cause, status, _ in runs(sample)] == [
        ("base-image", "Running"),
        ("timer", "Queued"),
    ]


def test_timers_of_one_task_that_are_due_together_share_a_run(sample: Sample) -> None:
    with_timers(sample, "web", NIGHTLY, Timer("weekly", Schedule.parse("0 4 * * Tue")))

    effects = fire(sample, FOUR)

    assert effects == [Effect.FIRED, Effect.FIRED]
    ((_, _, reason),) = runs(sample)
    assert [told["timer"] for told in reason] == ["nightly", "weekly"]


def test_timers_beyond_the_limit_wait_for_the_next_look(sample: Sample) -> None:
    for number in range(5):
        with_timers(sample, f"task-{number}", NIGHTLY)

    assert [len(fire(sample, FOUR, most=2)) for _ in range(4)] == [2, 2, 1, 0]
    assert len(runs(sample)) == 5


def test_a_disabled_task_is_not_started_by_its_timers(sample: Sample, web: Task) -> None:
    with immediate(sample.sql):
        Tasks(sample.sql).set_enabled(web.task_id, enabled=False)

    assert fire(sample, FOUR) == [Effect.PAUSED]
    assert runs(sample) == []


def test_a_run_by_a_timer_is_claimed_like_any_other(sample: Sample, web: Task) -> None:
    fire(sample, FOUR)

    with immediate(sample.sql):
        run = Runs(sample.sql).claim(FOUR, "a process")

    assert run is not None
    assert (run.cause, run.definition) == (Cause.TIMER, web.definition)


def test_a_timer_whose_zone_is_gone_fires_and_then_rests(sample: Sample, web: Task) -> None:
    with immediate(sample.sql):
        sample.sql.execute("UPDATE timers SET time_zone = 'Europe/Atlantis'")

        (fired,) = fire_due(sample.sql, FOUR, RULES, most=10)

    assert fired.effect is Effect.FIRED
    assert fired.fault == "timer nightly rests: there is no time zone 'Europe/Atlantis'"
    assert Timers(sample.sql).next_at() is None
