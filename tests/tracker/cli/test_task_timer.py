"""`tracker task timer next`: the times of a schedule, in any zone, and what is no schedule, zone or time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.cli.conftest import Tracker

NEXT = ("task", "timer", "next")


def test_the_next_times_are_an_object_of_utc_times(tracker: Tracker) -> None:
    told = tracker(*NEXT, "0 0 1 * *", "--from", "2026-11-23T10:00:00Z", "--count", "2", "--json")

    assert told.json == {"next": ["2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"]}


@pytest.mark.parametrize(
    ("after", "first"),
    [
        ("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"),
        ("2026-12-01T00:30+01:00", "2026-12-01T00:00:00Z"),
        ("2026-11-30T23:59:59", "2026-12-01T00:00:00Z"),
        ("2026-12-01", "2026-12-02T00:00:00Z"),
    ],
)
def test_the_times_are_later_than_the_one_that_is_given(tracker: Tracker, after: str, first: str) -> None:
    told = tracker(*NEXT, "0 0 * * *", "--from", after, "--count", "1", "--json")

    assert told.json == {"next": [first]}


def test_a_time_zone_counts_and_the_answer_is_utc(tracker: Tracker) -> None:
    asked = ("30 2 * * *", "--time-zone", "Europe/Berlin", "--from", "2026-03-28", "--count", "3")

    assert tracker(*NEXT, *asked, "--json").json["next"] == [
        "2026-03-28T01:30:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-30T00:30:00Z",
    ]


def test_people_read_the_time_of_the_zone_beside_utc(tracker: Tracker) -> None:
    asked = ("0 4 * * *", "--time-zone", "Europe/Berlin", "--from", "2026-11-30", "--count", "1")

    heads, row = tracker(*NEXT, *asked).lines

    assert heads.split("  ")[0] == "TIME (Europe/Berlin)"
    assert row.startswith("2026-11-30 04:00 +01:00  Mon  2026-11-30 03:00  ")


def test_five_times_from_now_are_told_where_nothing_else_is_asked(tracker: Tracker) -> None:
    assert len(tracker(*NEXT, "*/5 * * * *").lines) == 1 + 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["60 * * * *"], "minute '60' is not 0 to 59"),
        (["0 0 * *"], "has 4 fields, and a schedule has five"),
        (["0 0 * * 7"], "weekday '7' is not 0 to 6, or Sun to Sat\nhint: Sunday is 0"),
        (["0 0 30 2 *"], "never comes"),
        (["0 0 * * *", "--time-zone", "Europe/Atlantis"], "there is no time zone 'Europe/Atlantis'"),
        (["0 0 * * *", "--from", "tomorrow"], "--from 'tomorrow' is no time"),
        (["0 0 * * *", "--from", ""], "--from '' is no time"),
        (["0 0 * * *", "--from", "9999-12-31"], "--from '9999-12-31' is no time from 1970 to 8999"),
        (["0 0 * * *", "--from", "0001-01-01", "--time-zone", "America/New_York"], "is no time from"),
        (["0 0 * * *", "--count", "0"], "0 is not in the range"),
        (["0 0 * * *", "--count", "1001"], "1001 is not in the range"),
    ],
)
def test_what_is_wrong_is_told_with_its_rule(tracker: Tracker, words: list[str], said: str) -> None:
    told = tracker(*NEXT, *words)

    assert (told.status, told.out) == (2, "")
    assert said in told.err


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(max_size=30).filter(lambda text: not text.startswith("-")))
def test_any_time_is_taken_or_refused(tracker: Tracker, text: str) -> None:
    assert tracker(*NEXT, "0 0 29 2 *", "--from", text, "--count", "1").status in (0, 2)
