"""A timer's schedule: five fields of NCrontab, and the minutes that fit. Knows no clock and no time zone.

The day of the month and the weekday must both fit, unlike in cron of POSIX, where one of them is enough.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import MAXYEAR, date, datetime, time, timedelta

from graph.errors import WrongUse
from graph.record import dataclass

_ELEMENT = re.compile(
    r"(?:\*|(?P<first>[0-9A-Za-z]+)(?:-(?P<last>[0-9A-Za-z]+))?)(?:/(?P<step>-?[0-9]{1,9}))?"
)
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # days of each month
_TEXT_MOST = 500
_YEARS_MOST = 41  # a 29 February is the same weekday again after 40 at the latest, where 2100 is among them
_HINT = "write minute hour day month weekday, such as '0 21 * * *' for nine in the evening"


@dataclass(frozen=True, slots=True)
class _Field:
    """What one of the five places takes. `names` stand for numbers from `least` on."""

    what: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes at which a timer goes off. Sunday is weekday 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    text: str

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Raises `WrongUse` that names the field and the rule it breaks."""
        words = [word for word in text.split(" ") if word]  # a tab separates nothing
        if len(text) > _TEXT_MOST:
            raise WrongUse(
                f"schedule {text[:80]!r}… has more than {_TEXT_MOST} characters",
                hint="spans and steps are shorter than lists: '*/5', '9-17'",
            )
        if len(words) != len(_FIELDS):
            raise WrongUse(
                f"schedule {text[:80]!r} has {len(words)} fields, and a schedule has five", hint=_HINT
            )
        minutes, hours, days, months, weekdays = (
            _numbers(field, word, text) for field, word in zip(_FIELDS, words, strict=True)
        )
        schedule = cls(minutes, hours, days, months, weekdays, " ".join(words))
        if not any(min(schedule.days) <= _LONGEST[month - 1] for month in schedule.months):
            raise WrongUse(
                f"schedule {text!r} never comes: no month of it has a day {min(schedule.days)}",
                hint="'0 0 28 2 *' is the last day that every February has",
            )
        return schedule

    def __str__(self) -> str:
        return self.text

    def fires_with(self, other: Schedule) -> bool:
        """Whether both mean the same minutes, however they are written."""
        return self._sets == other._sets

    def matches(self, moment: datetime) -> bool:
        """Whether the timer goes off in this minute of its own time zone."""
        return moment.minute in self.minutes and moment.hour in self.hours and self._fits(moment.date())

    @property
    def every_hour(self) -> bool:
        return len(self.hours) == 24

    def next_minute(self, after: datetime) -> datetime | None:
        """The first fitting minute later than that of `after`, on a calendar without time zones.

        None near the end of the calendar only: whatever parses comes within 41 years.
        """
        if after.year >= MAXYEAR:
            return None
        today = self._next_today(after)
        if today is not None:
            return datetime.combine(after.date(), today)
        day = next(self._days(after.date() + timedelta(days=1)), None)
        return datetime.combine(day, time(min(self.hours), min(self.minutes))) if day else None

    def _next_today(self, after: datetime) -> time | None:
        if not self._fits(after.date()):
            return None
        minute = min((minute for minute in self.minutes if minute > after.minute), default=None)
        if minute is not None and after.hour in self.hours:
            return time(after.hour, minute)
        hour = min((hour for hour in self.hours if hour > after.hour), default=None)
        return time(hour, min(self.minutes)) if hour is not None else None

    def _days(self, first: date) -> Iterator[date]:
        """The fitting days, from that one on."""
        months, days = sorted(self.months), sorted(self.days)
        for year in range(first.year, min(first.year + _YEARS_MOST, MAXYEAR)):
            for month in months:
                if (year, month) < (first.year, first.month):
                    continue
                last = monthrange(year, month)[1]
                found = (date(year, month, day) for day in days if day <= last)
                yield from (day for day in found if day >= first and self._fits(day))

    def _fits(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    @property
    def _sets(self) -> tuple[frozenset[int], ...]:
        return self.minutes, self.hours, self.days, self.months, self.weekdays


def _numbers(field: _Field, word: str, text: str) -> frozenset[int]:
    found: set[int] = set()
    for element in word.split(","):
        parts = _ELEMENT.fullmatch(element)
        if parts is None:
            raise WrongUse(
                f"schedule {text!r}: {field.what} {element!r} is none of *, N, A-B, each perhaps with /STEP",
                hint=_HINT,
            )
        found.update(_span(field, parts, text))
    return frozenset(found)


def _span(field: _Field, parts: re.Match[str], text: str) -> range:
    step = max(1, int(parts["step"] or 1))  # as NCrontab has it: a step below 1 is one of 1
    if parts["first"] is None:
        return range(field.least, field.most + 1, step)
    first = _number(field, parts["first"], text)
    if parts["last"] is not None:
        first, last = sorted((first, _number(field, parts["last"], text)))  # Fri-Mon is Mon-Fri
    else:
        last = field.most if parts["step"] else first
    return range(first, last + 1, step)


def _number(field: _Field, word: str, text: str) -> int:
    if word.isdigit() and len(word) <= 4 and field.least <= int(word) <= field.most:
        return int(word)
    if not word.isdigit():
        for place, name in enumerate(field.names):
            if name.startswith(word.lower()):  # any beginning will do; of several names the first counts
                return field.least + place
    names = f", or {field.names[0][:3].title()} to {field.names[-1][:3].title()}" if field.names else ""
    hint = "Sunday is 0" if field.what == "weekday" and word == "7" else _HINT
    raise WrongUse(
        f"schedule {text!r}: {field.what} {word!r} is not {field.least} to {field.most}{names}", hint=hint
    )
