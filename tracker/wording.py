"""Puts names, times and counts into words for people. Reads nothing; `now` is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from graph.clock import from_text
from graph.reference import ImageRef

_UNITS_S = ((365 * 86400, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def familiar(name: str) -> str:
    """A full image name for people: without Docker Hub's registry and `library/`, a digest cut short."""
    reference = ImageRef.parse(name)
    if reference.digest is None:
        return reference.familiar
    return f"{reference.familiar.removesuffix(reference.digest.hex)}{reference.digest.short}…"


def short_digest(digest: str | None) -> str:
    """The first twelve digits; `-` for none."""
    return digest.partition(":")[2][:12] if digest else "-"


def age(since: str | None, now: datetime) -> str:
    """`3h`, for a column; `-` where the time is not known."""
    if since is None:
        return "-"
    count, unit = _rounded(max(0.0, (now - from_text(since)).total_seconds()))
    return f"{count}{unit[0]}"


def ago(moment: str | datetime | None, now: datetime) -> str:
    """`3 hours ago`, `in 5 minutes`, `just now`, `never`, for a sentence."""
    if moment is None:
        return "never"
    moment = from_text(moment) if isinstance(moment, str) else moment
    passed_s = (now - moment).total_seconds()
    if abs(passed_s) < 1:
        return "just now"
    spoken = counted(*_rounded(abs(passed_s)))
    return f"{spoken} ago" if passed_s > 0 else f"in {spoken}"


def clock_text(seconds: float | None) -> str:
    """`01:02:03`; `-` where there is no duration."""
    if seconds is None:
        return "-"
    minutes, second = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 image`, `2 images`."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def listed(words: Sequence[str], most: int = 4) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 7 more`."""
    shown = list(words[:most]) + ([f"{len(words) - most} more"] if len(words) > most else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def printable(text: str) -> str:
    """Foreign text on one line and without the control characters that could move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text).strip()


def _rounded(seconds: float) -> tuple[int, str]:
    """The largest unit of which there are at least two, so that nothing is rounded by more than a half."""
    for unit_s, unit in _UNITS_S:
        if seconds >= 2 * unit_s:
            return int(seconds // unit_s), unit
    return int(seconds), "second"


def starred(role: str, said: bool) -> str:
    """What is hearsay has a star."""
    return f"{role}*" if said else role
