"""When a schedule goes off next in a time zone, over every change of its clocks. Reads no clock.

A schedule that takes every hour (`*/5 * * * *`) goes on evenly through a change: an hour that comes twice is
served twice, one that is left out is no loss. A schedule of named hours (`30 2 * * *`) goes off once for each
time of the day: at the first of two, and where its time is left out, as soon as the clock goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from rebuild.tasks.schedule import Schedule

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)  # no change of a clock is larger, and no two are closer together


def next_fire(schedule: Schedule, after: datetime, zone: tzinfo) -> datetime | None:
    """The first moment later than `after`, in UTC; None where the calendar ends before it."""
    after = after.astimezone(UTC)
    return (_evenly if schedule.every_hour else _by_the_day)(schedule, after, zone)


def fires(schedule: Schedule, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """One moment after the other, all later than `after`."""
    upcoming = next_fire(schedule, after, zone)
    while upcoming is not None:
        yield upcoming
        upcoming = next_fire(schedule, upcoming, zone)


def _by_the_day(schedule: Schedule, after: datetime, zone: tzinfo) -> datetime | None:
    wall = schedule.next_minute(_wall(after, zone))
    while wall is not None:
        moment = _first_moment(wall, zone)
        if moment > after:
            return moment
        wall = schedule.next_minute(wall)  # this one was in the first of two equal hours
    return None


def _evenly(schedule: Schedule, after: datetime, zone: tzinfo) -> datetime | None:
    while True:
        soon = after + _DAY
        wall = schedule.next_minute(_wall(after, zone))
        if wall is None:
            return None
        moment = (wall - _offset(after, zone)).replace(tzinfo=UTC)  # unless the clock is changed before
        change = _change(after, soon, zone) if _offset(after, zone) != _offset(soon, zone) else None
        if change is not None and change <= moment:
            if schedule.matches(_wall(change, zone)):
                return change
            after = change
        elif moment <= soon:
            return moment
        else:
            after = _first_moment(wall, zone) - _MINUTE


def _first_moment(wall: datetime, zone: tzinfo) -> datetime:
    """When the clocks show this; where they never do, when they go on after leaving it out."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(moment, zone) == wall:
        return moment
    return _change(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), moment, zone)


def _change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first second with the clocks as they are at `after`; they were otherwise at `before`."""
    before, new = before.replace(microsecond=0), _offset(after, zone)
    seconds = int((after - before).total_seconds())
    low, high = 0, seconds
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(before + timedelta(seconds=middle), zone) == new:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)


def _wall(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return offset
