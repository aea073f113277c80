"""Go's time layouts: text that shows how the 2nd of January 2006, 15:04:05 at -0700 would be written."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# In the order in which Go looks: a longer form before the one that it begins with.
_CHUNK = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|002|0[1-6]|15|1|__2|_2(?!006)|2|3|4|5|PM|pm"
    r"|[-Z]07(?::00:00|:00|0000|00|)|[.,](?:0+|9+)(?![0-9])"
)


def formatted(at: datetime, layout: str) -> str:
    """`at` as the layout shows it."""
    return _CHUNK.sub(lambda match: _written(at, match[0]), layout)


def _written(at: datetime, chunk: str) -> str:
    if chunk in _WRITERS:
        return _WRITERS[chunk](at)
    if chunk[0] in ".,":
        return _fraction(at, chunk)
    return _offset(at, chunk)


def _hour(at: datetime) -> int:
    return (at.hour - 1) % 12 + 1


_WRITERS: dict[str, Callable[[datetime], str]] = {
    "January": lambda at: _MONTHS[at.month - 1],
    "Jan": lambda at: _MONTHS[at.month - 1][:3],
    "Monday": lambda at: _DAYS[at.weekday()],
    "Mon": lambda at: _DAYS[at.weekday()][:3],
    "MST": lambda at: _zone_name(at),
    "2006": lambda at: f"{at.year:04}",
    "06": lambda at: f"{at.year % 100:02}",
    "01": lambda at: f"{at.month:02}",
    "1": lambda at: f"{at.month}",
    "02": lambda at: f"{at.day:02}",
    "_2": lambda at: f"{at.day:2}",
    "2": lambda at: f"{at.day}",
    "002": lambda at: f"{at.timetuple().tm_yday:03}",
    "__2": lambda at: f"{at.timetuple().tm_yday:3}",
    "15": lambda at: f"{at.hour:02}",
    "03": lambda at: f"{_hour(at):02}",
    "3": lambda at: f"{_hour(at)}",
    "04": lambda at: f"{at.minute:02}",
    "4": lambda at: f"{at.minute}",
    "05": lambda at: f"{at.second:02}",
    "5": lambda at: f"{at.second}",
    "PM": lambda at: "PM" if at.hour >= 12 else "AM",
    "pm": lambda at: "pm" if at.hour >= 12 else "am",
}


def _zone_name(at: datetime) -> str:
    """Its abbreviation; an offset that has none stands for itself."""
    name = at.tzname() or "UTC"
    return name if name == "UTC" or not name.startswith("UTC") else _offset(at, "-0700")


def _fraction(at: datetime, chunk: str) -> str:
    digits = f"{at.microsecond:06}000"[: len(chunk) - 1].ljust(len(chunk) - 1, "0")
    if chunk[1] == "0":
        return chunk[0] + digits
    digits = digits.rstrip("0")
    return chunk[0] + digits if digits else ""


def _offset(at: datetime, chunk: str) -> str:
    seconds = round((at.utcoffset() or timedelta()).total_seconds())
    if chunk[0] == "Z" and seconds == 0:
        return "Z"
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    colon = ":" if ":" in chunk else ""
    text = f"{sign}{seconds // 3600:02}"
    if len(chunk) > 3:
        text += f"{colon}{seconds // 60 % 60:02}"
    return text + f"{colon}{seconds % 60:02}" if len(chunk) > 6 else text


_NAMED = "[A-Za-z]{3,9}"
_READ = {
    "2006": r"(?P<year>[0-9]{4})",
    "06": r"(?P<short_year>[0-9]{2})",
    "01": r"(?P<month>[0-9]{2})",
    "1": r"(?P<month>[0-9]{1,2})",
    "January": rf"(?P<month_name>{_NAMED})",
    "Jan": r"(?P<month_name>[A-Za-z]{3})",
    "02": r"(?P<day>[0-9]{2})",
    "_2": r" ?(?P<day>[0-9]{1,2})",
    "2": r"(?P<day>[0-9]{1,2})",
    "Monday": _NAMED,
    "Mon": "[A-Za-z]{3}",
    "15": r"(?P<hour>[0-9]{2})",
    "03": r"(?P<half_hour>[0-9]{2})",
    "3": r"(?P<half_hour>[0-9]{1,2})",
    "04": r"(?P<minute>[0-9]{2})",
    "4": r"(?P<minute>[0-9]{1,2})",
    "05": r"(?P<second>[0-9]{2})(?P<fraction>[.,][0-9]{1,9})?",
    "5": r"(?P<second>[0-9]{1,2})(?P<fraction>[.,][0-9]{1,9})?",
    "PM": r"(?P<half>AM|PM)",
    "pm": r"(?P<half>am|pm)",
    "MST": r"(?:UTC|GMT)",
}
_LAYOUT_LENGTH_MOST = 100


def parsed(layout: str, text: str) -> datetime | None:
    """The time that `text` writes by the layout, in UTC where it names no zone; None where none fits."""
    if len(layout) > _LAYOUT_LENGTH_MOST or len(text) > 2 * _LAYOUT_LENGTH_MOST:
        return None
    try:
        match = re.fullmatch(_pattern(layout), text)
        return _time(match.groupdict()) if match else None
    except (re.error, ValueError, OverflowError):  # re.error: the layout says one thing twice
        return None


def _pattern(layout: str) -> str:
    pieces: list[str] = []
    end = 0
    for match in _CHUNK.finditer(layout):
        pieces += [re.escape(layout[end : match.start()]), _reader(match[0])]
        end = match.end()
    return "".join([*pieces, re.escape(layout[end:])])


def _reader(chunk: str) -> str:
    if chunk in _READ:
        return _READ[chunk]
    if chunk[0] in ".,":
        return ""  # read with the seconds
    if chunk[0] in "-Z":
        return (
            r"(?P<offset>Z|[-+][0-9]{2}(?::?[0-9]{2})?)"
            if chunk[0] == "Z"
            else r"(?P<offset>[-+][0-9]{2}:?[0-9]{2})"
        )
    return r"[0-9 ]{3}"


def _time(read: dict[str, str | None]) -> datetime:
    def number(name: str, otherwise: int) -> int:
        return int(read.get(name) or otherwise)

    short = read.get("short_year")
    year = number("year", 0) if short is None else int(short) + (1900 if int(short) >= 69 else 2000)
    month = number("month", 1)
    if name := read.get("month_name"):
        month = next(
            at for at, each in enumerate(_MONTHS, 1) if name.lower() in (each.lower(), each[:3].lower())
        )
    hour = number("hour", 0)
    if half := read.get("half"):
        hour = number("half_hour", 12) % 12 + (12 if half.lower() == "pm" else 0)
    fraction = (read.get("fraction") or "")[1:7].ljust(6, "0")
    return datetime(
        year, month, number("day", 1), hour, number("minute", 0), number("second", 0), int(fraction),
        tzinfo=_read_zone(read.get("offset")),
    )  # fmt: skip


def _read_zone(offset: str | None) -> timezone:
    if offset is None or offset == "Z":
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-span if offset[0] == "-" else span)
