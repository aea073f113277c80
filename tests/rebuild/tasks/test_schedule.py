"""Schedules of timers: five fields in the dialect of NCrontab, and what is none."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from rebuild.tasks.schedule import Schedule


def parse(text: str) -> Schedule:
    return Schedule.parse(text)


def test_a_star_is_every_value() -> None:
    every = parse("* * * * *")

    assert every.minutes == frozenset(range(60))
    assert every.days == frozenset(range(1, 32))
    assert every.weekdays == frozenset(range(7))


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("0 9 * * *", {9}),
        ("0 9,17,9 * * *", {9, 17}),
        ("0 2-5 * * *", {2, 3, 4, 5}),
        ("0 22-2 * * *", set(range(2, 23))),
        ("0 */6 * * *", {0, 6, 12, 18}),
        ("0 20/2 * * *", {20, 22}),
        ("0 1-9/4 * * *", {1, 5, 9}),
        ("0 9/0 * * *", set(range(9, 24))),
        ("0 20/-3 * * *", {20, 21, 22, 23}),
        ("0 20/86400 * * *", {20}),
        ("0 09 * * *", {9}),
    ],
)
def test_an_element_is_a_value_a_span_or_steps(text: str, hours: set[int]) -> None:
    assert parse(text).hours == hours


@pytest.mark.parametrize(
    ("text", "months", "weekdays"),
    [
        ("0 0 * jan Mon", {1}, {1}),
        ("0 0 * SEPT,Augu sunday", {8, 9}, {0}),
        ("0 0 * J S", {1}, {0}),
        ("0 0 * Mar-May Fri-Mon", {3, 4, 5}, {1, 2, 3, 4, 5}),
    ],
)
def test_months_and_weekdays_have_names(text: str, months: set[int], weekdays: set[int]) -> None:
    assert (parse(text).months, parse(text).weekdays) == (months, weekdays)


def test_spaces_may_be_many() -> None:
    assert str(parse("  0   21 * *  Mon ")) == "0 21 * * Mon"


def test_the_day_and_the_weekday_must_both_fit() -> None:
    first_monday = parse("45 16 1 * Mon")

    assert first_monday.matches(datetime(2026, 6, 1, 16, 45))  # a Monday
    assert not first_monday.matches(datetime(2026, 7, 1, 16, 45))  # a Wednesday
    assert not first_monday.matches(datetime(2026, 6, 8, 16, 45))  # a Monday, not the first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("0 * * * * *", "has 6 fields"),
        ("0\t0 * * *", "has 4 fields"),
        ("@daily", "has 1 fields"),
        ("60 * * * *", "minute '60' is not 0 to 59"),
        ("* 24 * * *", "hour '24' is not 0 to 23"),
        ("* * 0 * *", "day '0' is not 1 to 31"),
        ("* * * 13 *", "month '13' is not 1 to 12, or Jan to Dec"),
        ("* * * * 7", "weekday '7' is not 0 to 6, or Sun to Sat"),
        ("* * L * *", "day 'L' is not 1 to 31"),
        ("* * ? * *", "day '?' is none of"),
        ("* * * * Mon#1", "weekday 'Mon#1' is none of"),
        ("* * * * Moonday", "weekday 'Moonday' is not"),
        ("-1 * * * *", "minute '-1' is none of"),
        ("1,,2 * * * *", "minute '' is none of"),
        ("*/x * * * *", "minute '*/x' is none of"),
        ("²  * * * *", "minute '²' is none of"),
        (f"{'0,' * 300}0 * * * *", "has more than 500 characters"),
        ("0 0 31 2,4 *", "no month of it has a day 31"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_field(text: str, said: str) -> None:
    with pytest.raises(WrongUse) as refused:
        parse(text)

    assert said in refused.value.message
    assert refused.value.hint


def test_two_ways_to_write_the_same_times_fire_together() -> None:
    assert parse("0 0 * * Mon-Fri").fires_with(parse("0 0 * * 1,2,3,4,5"))
    assert not parse("0 0 * * Mon").fires_with(parse("0 0 * * Tue"))


@given(st.text(max_size=40))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        schedule = parse(text)
    except WrongUse:
        return
    assert parse(str(schedule)) == schedule


_NUMBER = st.integers(0, 59)


@given(_NUMBER, _NUMBER, st.integers(0, 70))
def test_a_span_with_steps_is_what_it_says(first: int, last: int, step: int) -> None:
    low, high = sorted((first, last))

    found = parse(f"{first}-{last}/{step} * * * *").minutes

    assert found == {n for n in range(low, high + 1) if (n - low) % max(1, step) == 0}
