"""Timers of tasks: kept by name, each with times of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graph.database import immediate
from graph.errors import TrackerError, WrongUse
from rebuild.tasks.schedule import Schedule
from rebuild.tasks.task import Tasks
from rebuild.tasks.timers import Timer, Timers, timers_of, zone_of
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


def next_of(sample: Sample, task_id: int) -> datetime | None:
    (standing,) = Timers(sample.sql).standing(task_id)
    return standing.next_at


def say(sample: Sample, task_id: int, timer: Timer = NIGHTLY, at: datetime = NOON) -> None:
    with immediate(sample.sql):
        Timers(sample.sql).replace(task_id, [timer], at)


def test_a_timer_is_due_from_the_moment_that_it_is_said(sample: Sample, task_id: int) -> None:
    say(sample, task_id)

    assert next_of(sample, task_id) == NOON + timedelta(hours=16)
    assert Timers(sample.sql).next_at() == NOON + timedelta(hours=16)


def test_a_timer_that_is_said_again_keeps_the_time_at_which_it_is_due(sample: Sample, task_id: int) -> None:
    say(sample, task_id)

    say(sample, task_id, at=NOON + timedelta(days=3))

    assert next_of(sample, task_id) == NOON + timedelta(hours=16)


@pytest.mark.parametrize(
    ("other", "hours"),
    [
        (Timer("nightly", Schedule.parse("0 5 * * *")), 17),
        (Timer("nightly", NIGHTLY.schedule, time_zone="Europe/Berlin"), 15),
    ],
)
def test_a_timer_that_changes_is_due_at_its_new_time(
    sample: Sample, task_id: int, other: Timer, hours: int
) -> None:
    say(sample, task_id)

    say(sample, task_id, other)

    assert next_of(sample, task_id) == NOON + timedelta(hours=hours)


def test_a_timer_that_is_off_rests_until_it_is_on_again(sample: Sample, task_id: int) -> None:
    timers = Timers(sample.sql)
    say(sample, task_id)

    with immediate(sample.sql):
        timers.update(task_id, "nightly", NOON, enabled=False)
    resting = next_of(sample, task_id)
    with immediate(sample.sql):
        timers.update(task_id, "nightly", NOON + timedelta(days=1), enabled=True)

    assert resting is None
    assert next_of(sample, task_id) == NOON + timedelta(days=1, hours=16)


def test_timers_of_a_disabled_task_rest(sample: Sample, task_id: int) -> None:
    say(sample, task_id)

    with immediate(sample.sql):
        Tasks(sample.sql).set_enabled(task_id, enabled=False)
        Timers(sample.sql).replace(task_id, [NIGHTLY], NOON)

    assert next_of(sample, task_id) is None
    assert Timers(sample.sql).next_at() is None


def test_timers_from_before_they_had_a_next_time_get_one(sample: Sample, task_id: int) -> None:
    say(sample, task_id)
    with immediate(sample.sql):
        sample.sql.execute("UPDATE timers SET next_at = NULL, planned_at = NULL")
        faults = Timers(sample.sql).plan_all(NOON)

    assert (next_of(sample, task_id), faults) == (NOON + timedelta(hours=16), ())


def test_times_that_a_wrong_clock_led_to_are_void(sample: Sample, task_id: int) -> None:
    say(sample, task_id, at=NOON + timedelta(days=3650))

    with immediate(sample.sql):
        Timers(sample.sql).plan_all(NOON)

    assert next_of(sample, task_id) == NOON + timedelta(hours=16)


def test_a_clock_that_is_set_back_a_little_makes_no_time_come_twice(sample: Sample, task_id: int) -> None:
    at_four = NOON + timedelta(hours=16)
    say(sample, task_id)

    with immediate(sample.sql):
        Timers(sample.sql).advance(task_id, "nightly", at_four, fired=True)
        Timers(sample.sql).plan_all(at_four - timedelta(minutes=5))

    assert next_of(sample, task_id) == at_four + timedelta(days=1)


def test_a_timer_that_cannot_be_read_rests_and_holds_up_no_other(sample: Sample, task_id: int) -> None:
    other = sample.task("other", "localhost:5000/other:1").task_id
    say(sample, task_id)
    say(sample, other)
    with immediate(sample.sql):
        sample.sql.execute(
            "UPDATE timers SET next_at = NULL, time_zone = 'Europe/Atlantis' WHERE task_id = ?", (task_id,)
        )
        faults = Timers(sample.sql).plan_all(NOON)

    assert faults == ("timer nightly rests: there is no time zone 'Europe/Atlantis'",)
    assert (next_of(sample, task_id), next_of(sample, other)) == (None, NOON + timedelta(hours=16))


@pytest.mark.parametrize(
    "name", ["Europe", "right/UTC", "posixrules", "/etc/localtime", "zone.tab", "", "UTC\n"]
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(WrongUse, match="there is no time zone"):
        zone_of(name)
