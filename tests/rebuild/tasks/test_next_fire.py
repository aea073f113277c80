"""When schedules go off next: in UTC, over changes of the clocks, and against counting minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.tasks.next_fire import fires, next_fire
from rebuild.tasks.schedule import Schedule

BERLIN = "Europe/Berlin"  # +01:00 to +02:00 on 2026-03-29 01:00Z, and back on 2026-10-25 01:00Z
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def upcoming(text: str, after: str, zone: str = "UTC", count: int = 3) -> list[str]:
    found = islice(fires(Schedule.parse(text), datetime.fromisoformat(after), ZoneInfo(zone)), count)
    return [f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %z}" for moment in found]


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("0 21 * * *", "2026-11-30 21:00 +0000", "2026-12-01 21:00 +0000"),
        ("*/20 * * * *", "2026-11-30 12:20 +0000", "2026-11-30 12:40 +0000"),
        ("0 0 1 * *", "2026-12-01 00:00 +0000", "2027-01-01 00:00 +0000"),
        ("45 16 1 * Mon", "2027-02-01 16:45 +0000", "2027-03-01 16:45 +0000"),
        ("30 9 * * Fri-Mon", "2026-12-01 09:30 +0000", "2026-12-02 09:30 +0000"),
        ("0 22-2 * * *", "2026-11-30 13:00 +0000", "2026-11-30 14:00 +0000"),
        ("0 12 * SEPT,Augu sunday", "2027-08-01 12:00 +0000", "2027-08-08 12:00 +0000"),
        ("0 0 29 2 *", "2028-02-29 00:00 +0000", "2032-02-29 00:00 +0000"),
        ("0 0 29 2 Mon", "2044-02-29 00:00 +0000", "2072-02-29 00:00 +0000"),
        ("0 0 31 4-6 *", "2027-05-31 00:00 +0000", "2028-05-31 00:00 +0000"),
    ],
)
def test_the_next_times_of_a_schedule_are_those_of_the_calendar(text: str, first: str, second: str) -> None:
    assert upcoming(text, "2026-11-30T12:00:00+00:00", count=2) == [first, second]


def test_a_moment_that_fits_is_not_its_own_next() -> None:
    assert upcoming("0 12 * * *", "2026-11-30T12:00:00+00:00", count=1) == ["2026-12-01 12:00 +0000"]
    assert upcoming("0 12 * * *", "2026-11-30T11:59:59.999+00:00", count=1) == ["2026-11-30 12:00 +0000"]


def test_a_time_that_is_left_out_goes_off_when_the_clock_goes_on() -> None:
    assert upcoming("30 2 * * *", "2026-03-28T00:00:00+00:00", BERLIN) == [
        "2026-03-28 02:30 +0100",
        "2026-03-29 03:00 +0200",
        "2026-03-30 02:30 +0200",
    ]


def test_several_times_that_are_left_out_go_off_once() -> None:
    assert upcoming("0,30 2,3 * * *", "2026-03-29T00:00:00+00:00", BERLIN, 2) == [
        "2026-03-29 03:00 +0200",
        "2026-03-29 03:30 +0200",
    ]


def test_a_time_of_a_day_that_comes_twice_goes_off_at_the_first() -> None:
    assert upcoming("30 2 * * *", "2026-10-24T12:00:00+00:00", BERLIN, 2) == [
        "2026-10-25 02:30 +0200",
        "2026-10-26 02:30 +0100",
    ]


def test_between_two_equal_hours_the_first_is_over() -> None:
    assert upcoming("15 2 * * *", "2026-10-25T00:50:00+00:00", BERLIN, 1) == ["2026-10-26 02:15 +0100"]
    assert upcoming("15 2 * * *", "2026-10-25T01:05:00+00:00", BERLIN, 1) == ["2026-10-26 02:15 +0100"]


def test_what_goes_off_every_hour_goes_on_evenly_when_an_hour_comes_twice() -> None:
    moments = [*islice(every("*/5 * * * *", "2026-10-24T22:00:00+00:00", BERLIN), 60)]

    assert {later - earlier for earlier, later in pairwise(moments)} == {5 * MINUTE}


def test_what_goes_off_every_hour_goes_on_evenly_when_an_hour_is_left_out() -> None:
    moments = [*islice(every("30 * * * *", "2026-03-28T22:00:00+00:00", BERLIN), 8)]

    assert {later - earlier for earlier, later in pairwise(moments)} == {60 * MINUTE}


def test_a_day_that_a_zone_never_had_goes_off_at_the_beginning_of_the_next() -> None:
    """Samoa went over the date line and had no 30 December in 2011."""
    assert upcoming("0 4 30 * *", "2011-12-29T00:00:00+00:00", "Pacific/Apia", 2) == [
        "2011-12-31 00:00 +1400",
        "2012-01-30 04:00 +1400",
    ]


def test_an_evening_hour_that_comes_again_before_midnight_still_belongs_to_its_day() -> None:
    """Paraguay set its clocks back from Sunday 0:00 to Saturday 23:00."""
    assert upcoming("30 * * * Sat", "2024-03-24T02:00:00+00:00", "America/Asuncion") == [
        "2024-03-23 23:30 -0300",
        "2024-03-23 23:30 -0400",
        "2024-03-30 00:30 -0400",
    ]


def test_every_schedule_comes_again_within_the_years_that_are_searched() -> None:
    for weekday in range(7):
        rare = Schedule.parse(f"0 0 29 2 {weekday}")
        moments = [*islice(fires(rare, datetime(1999, 1, 1, tzinfo=UTC), UTC), 40)]

        assert len(moments) == 40


def test_the_end_of_the_calendar_is_no_error() -> None:
    assert upcoming("0 0 * * *", "9999-06-01T00:00:00+00:00") == []
    assert upcoming("0 0 1 1 *", "9998-06-01T00:00:00+00:00") == []


def every(text: str, after: str, zone: str) -> Iterator[datetime]:
    return fires(Schedule.parse(text), datetime.fromisoformat(after), ZoneInfo(zone))


def counted(schedule: Schedule, after: datetime, zone: ZoneInfo, until: datetime) -> list[datetime]:
    """The same, by looking at every minute and at what clocks on the wall did since the minute before."""
    found = []
    moment = after.replace(second=0, microsecond=0)
    while (moment := moment + MINUTE) <= until:
        shown, before = moment.astimezone(zone), (moment - MINUTE).astimezone(zone)
        wall, before_wall = shown.replace(tzinfo=None), before.replace(tzinfo=None)
        if schedule.every_hour:
            fits = schedule.matches(wall)
        else:
            skipped = range(1, max(1, int((wall - before_wall) / MINUTE)))
            fits = (schedule.matches(wall) and not shown.fold) or any(
                schedule.matches(before_wall + n * MINUTE) for n in skipped
            )
        if fits:
            found.append(moment)
    return found


# Days before a change of the clocks: by an hour, half an hour, a day; at midnight; forward and back.
CHANGES = (
    (BERLIN, datetime(2026, 3, 28)),
    (BERLIN, datetime(2026, 10, 24)),
    ("America/New_York", datetime(2026, 3, 7)),
    ("America/New_York", datetime(2026, 10, 31)),
    ("Australia/Lord_Howe", datetime(2026, 4, 3)),
    ("Australia/Lord_Howe", datetime(2026, 10, 2)),
    ("America/Havana", datetime(2025, 3, 8)),
    ("America/Havana", datetime(2025, 11, 1)),
    ("America/Asuncion", datetime(2024, 3, 23)),
    ("Africa/Cairo", datetime(2025, 4, 24)),
    ("Africa/Cairo", datetime(2025, 10, 30)),
    ("Africa/Casablanca", datetime(2026, 2, 14)),
    ("America/St_Johns", datetime(2010, 11, 6)),
    ("Pacific/Apia", datetime(2011, 12, 29)),
    ("Asia/Kathmandu", datetime(2026, 5, 1)),
    ("UTC", datetime(2026, 12, 31)),
)


def fields(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    span = st.tuples(number, number).map(lambda ends: f"{ends[0]}-{ends[1]}")
    stepped = st.tuples(st.just("*") | span | number.map(str), st.integers(1, 20)).map(
        lambda parts: f"{parts[0]}/{parts[1]}"
    )
    return st.lists(number.map(str) | span | stepped, min_size=1, max_size=3).map(",".join)


STAR = st.just("*")
SCHEDULES = st.tuples(
    STAR | fields(0, 59), STAR | fields(0, 4) | fields(0, 23), STAR | fields(1, 31), STAR, STAR | fields(0, 6)
).map(" ".join)


@given(SCHEDULES, st.sampled_from(CHANGES), st.integers(0, 40 * 3600))
def test_the_next_times_are_those_that_are_found_by_counting(
    text: str, change: tuple[str, datetime], seconds: int
) -> None:
    schedule, zone = Schedule.parse(text), ZoneInfo(change[0])
    after = change[1].replace(tzinfo=UTC) + timedelta(seconds=seconds)
    until = after + 2 * DAY

    expected = counted(schedule, after, zone, until)

    found = []
    moment = next_fire(schedule, after, zone)
    while moment is not None and moment <= until:
        found.append(moment)
        moment = next_fire(schedule, moment, zone)
    assert found == expected
