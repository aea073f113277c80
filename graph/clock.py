"""Times as the database and the command line write them: UTC, ISO 8601, milliseconds; and the clock."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present time, for those at the rim who hand it inwards as an argument."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """`2026-11-23T06:22:14.123Z`: sorts as text in the order of time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def from_text(text: str) -> datetime:
    return datetime.fromisoformat(text)
