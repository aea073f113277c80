"""Dates as Sprig has them, by Go's layouts. "Now" is the time of the run, and the local zone is UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction

from graph.record import dataclass
from rebuild.template.error import Fault
from rebuild.template.function import Scope, functions
from rebuild.template.functions.gotime import formatted, parsed
from rebuild.template.value import Object, Value, type_name

_PRINTED = "2006-01-02 15:04:05.999999999 -0700 MST"
_JSON = "2006-01-02T15:04:05.999999999Z07:00"
_HTML = "2006-01-02"
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
_DURATION = re.compile(r"([0-9]{0,12}(?:\.[0-9]{0,12})?)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_NS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6,
    "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_ZERO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Moment(Object):
    """A point in time, with the zone that it is shown in."""

    at: datetime

    @property
    def type_name(self) -> str:
        return "time.Time"

    def members(self) -> Mapping[str, Value]:
        at = self.at
        return {
            "Unix": int(at.timestamp()),
            "Year": at.year,
            "Day": at.day,
            "Hour": at.hour,
            "Minute": at.minute,
            "Second": at.second,
            "YearDay": at.timetuple().tm_yday,
        }

    def printed(self) -> str:
        return formatted(self.at, _PRINTED)

    def as_json(self) -> str:
        return formatted(self.at, _JSON)


def now(scope: Scope) -> Value:
    return Moment(scope.now.astimezone(UTC))


def date(scope: Scope, layout: str, value: Value) -> Value:
    return dateInZone(scope, layout, value, "UTC")


def dateInZone(scope: Scope, layout: str, value: Value, zone: str) -> Value:
    scope.budget.make(len(layout) * 10)
    return formatted(_moment(scope, value).astimezone(_zone(zone)), layout)


def htmlDate(scope: Scope, value: Value) -> Value:
    return dateInZone(scope, _HTML, value, "UTC")


def htmlDateInZone(scope: Scope, value: Value, zone: str) -> Value:
    return dateInZone(scope, _HTML, value, zone)


def dateModify(duration: str, value: Value) -> Value:
    """The time moved by a duration such as -1.5h; unmoved where that is none, as Sprig has it."""
    moved_ns = _nanoseconds(duration)
    at = _time("dateModify", value)
    return value if moved_ns is None else Moment(at + timedelta(microseconds=moved_ns // 1000))


def ago(scope: Scope, value: Value) -> Value:
    past = scope.now - _moment(scope, value)
    return _duration(round(past / timedelta(seconds=1)))


def toDate(layout: str, text: str) -> Value:
    return Moment(parsed(layout, text) or _ZERO)


def unixEpoch(value: Value) -> Value:
    return str(int(_time("unixEpoch", value).timestamp()))


def _time(name: str, value: Value) -> datetime:
    if not isinstance(value, Moment):
        raise Fault(f"{name}: the argument must be a time, not {type_name(value)}")
    return value.at


def _moment(scope: Scope, value: Value) -> datetime:
    if isinstance(value, Moment):
        return value.at
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
    return scope.now


def _zone(name: str) -> tzinfo:
    """The zone of that name; UTC where there is none."""
    from zoneinfo import ZoneInfo  # here, because few templates ask for it

    if name in ("", "Local", "UTC") or not _ZONE.fullmatch(name):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # KeyError: not known; OSError: a folder of zones
        return UTC


def _nanoseconds(text: str) -> int | None:
    sign = -1 if text.startswith("-") else 1
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    total, at = 0, 0
    for match in _DURATION.finditer(body[:200]):
        if match.start() != at or match[1] in ("", "."):
            return None
        total += int(Fraction(match[1]) * _UNIT_NS[match[2]])
        at = match.end()
    return sign * total if body and at == len(body) else None


def _duration(seconds: int) -> str:
    """As Go prints a duration of whole seconds: 1h0m5s."""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    text = f"{seconds % 60}s"
    if minutes or hours:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"


_CALLS: dict[str, Callable[..., Value]] = {"date_in_zone": dateInZone, "date_modify": dateModify}

FUNCTIONS = functions(
    now=now,
    date=date,
    dateInZone=dateInZone,
    htmlDate=htmlDate,
    htmlDateInZone=htmlDateInZone,
    dateModify=dateModify,
    ago=ago,
    toDate=toDate,
    unixEpoch=unixEpoch,
    **_CALLS,
)
