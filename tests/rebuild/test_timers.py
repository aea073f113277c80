"""Timers of tasks: kept by name, each with times of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graph.database import immediate
from graph.errors import TrackerError, WrongUse
from rebuild.schedule import Schedule
from rebuild.timers import Timer, Timers, timers_of
from tests.graph_samples import Sample

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
NIGHTLY = Timer("nightly", Schedule.parse("0 4 * * *"))


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    yield made
    made.sql.close()


@pytest.fixture
def task_id(sample: Sample) -> int:
    return sample.task("web", "localhost:5000/web:1").task_id


def test_a_timer_is_kept_as_it_was_said(sample: Sample, task_id: int) -> None:
    berlin = Timer("weekly", Schedule.parse("0 4 * * Mon"), enabled=False, time_zone="Europe/Berlin")
    with immediate(sample.sql):
        Timers(sample.sql).add(task_id, berlin, NOON)
        Timers(sample.sql).add(task_id, NIGHTLY, NOON)

    assert Timers(sample.sql).of_task(task_id) == (NIGHTLY, berlin)


def test_an_update_changes_only_what_is_given(sample: Sample, task_id: int) -> None:
    timers = Timers(sample.sql)
    with immediate(sample.sql):
        timers.add(task_id, NIGHTLY, NOON)
        timers.update(task_id, "nightly", NOON, enabled=False)

    assert timers.of_task(task_id) == (Timer("nightly", NIGHTLY.schedule, enabled=False),)


def test_a_timer_is_removed(sample: Sample, task_id: int) -> None:
    timers = Timers(sample.sql)
    with immediate(sample.sql):
        timers.add(task_id, NIGHTLY, NOON)
        timers.remove(task_id, "nightly")

    assert timers.of_task(task_id) == ()


@pytest.mark.parametrize("what", ["update", "remove"])
def test_a_timer_that_is_not_there_cannot_be_changed(sample: Sample, task_id: int, what: str) -> None:
    with immediate(sample.sql):
        Timers(sample.sql).add(task_id, NIGHTLY, NOON)

    with pytest.raises(TrackerError, match="no timer daily") as refused, immediate(sample.sql):
        table = Timers(sample.sql)
        table.remove(task_id, "daily") if what == "remove" else table.update(task_id, "daily", NOON)
    assert refused.value.hint == "it has these: nightly"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Timer("nightly", Schedule.parse("0 5 * * *")), "has a timer nightly already"),
        (Timer("again", Schedule.parse("00 4 * * *")), "have the same schedule"),
        (Timer("a b", Schedule.parse("0 5 * * *")), "timer name 'a b' is not valid"),
        (Timer("x", Schedule.parse("0 5 * * *"), time_zone="../../etc/passwd"), "there is no time zone"),
        (Timer("x", Schedule.parse("0 5 * * *"), time_zone="Europe/Atlantis"), "there is no time zone"),
    ],
)
def test_a_timer_that_breaks_a_rule_is_refused(sample: Sample, task_id: int, other: Timer, said: str) -> None:
    with immediate(sample.sql):
        Timers(sample.sql).add(task_id, NIGHTLY, NOON)

    with pytest.raises(WrongUse, match=said), immediate(sample.sql):
        Timers(sample.sql).add(task_id, other, NOON)
    assert Timers(sample.sql).of_task(task_id) == (NIGHTLY,)


def test_the_same_times_in_another_zone_are_other_times(sample: Sample, task_id: int) -> None:
    with immediate(sample.sql):
        Timers(sample.sql).add(task_id, NIGHTLY, NOON)
        Timers(sample.sql).add(task_id, Timer("b", NIGHTLY.schedule, time_zone="Europe/Berlin"), NOON)

    assert len(Timers(sample.sql).of_task(task_id)) == 2


def test_unnamed_timers_are_called_after_their_place() -> None:
    found = timers_of(["0 1 * * *", "named:0 2 * * *", "0 3 * * *"])

    assert [(timer.name, str(timer.schedule)) for timer in found] == [
        ("t1", "0 1 * * *"),
        ("named", "0 2 * * *"),
        ("t3", "0 3 * * *"),
    ]


def test_only_the_first_colon_ends_the_name() -> None:
    with pytest.raises(WrongUse, match="minute '0:1' is none of"):
        timers_of(["name:0:1 2 * * *"])
