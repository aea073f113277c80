"""How much one registry may still be asked. Counts and waits; knows no HTTP beyond its limit headers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from graph.record import dataclass
from rebuild.registry import RateLimited
from tracker.registry.settings import Clock

PAUSE_FIRST_S = 5.0  # after a refusal that names no time; doubles with each further one
PAUSE_MOST_S = 900.0
PAUSE_ASKED_MOST_S = 24 * 3600.0  # a longer one is taken for a mistake
_QUOTA = re.compile(r"\s*(\d{1,12})(?:\s*;\s*w=(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """What is known of a registry's limits; None where it names none."""

    pulls_left: int | None
    pulls_limit: int | None
    window_s: int | None
    closed_for_s: float  # 0 where it may be asked


class Budget:
    """One registry's: a bucket of requests, and a gate that its refusals close for everybody.

    The bucket holds a second's worth, so the pace is even. A closed gate raises at once instead
    of holding the caller: whether to wait is a question of the caller's patience.
    """

    def __init__(self, registry: str, requests_per_minute: int | None, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._interval_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._burst_s = max(1.0, self._interval_s)
        self._next_at = -math.inf
        self._opens_at = -math.inf
        self._refusals = 0
        self._left: tuple[int | None, int | None, int | None] = (None, None, None)

    async def enter(self) -> None:
        """Wait for a place in the bucket. Raises `RateLimited` while the gate is closed."""
        self._check_gate()
        if not self._interval_s:
            return
        now = self._clock.monotonic()
        mine = max(self._next_at, now - self._burst_s + self._interval_s)
        self._next_at = mine + self._interval_s
        if mine > now:
            await self._clock.sleep(mine - now)
            self._check_gate()

    def refused(self, retry_after_s: float | None) -> float:
        """Close the gate for what the registry asked, or for longer each time; returns the seconds."""
        if retry_after_s is None:
            retry_after_s = min(PAUSE_MOST_S, PAUSE_FIRST_S * 2.0 ** min(self._refusals, 30))
        self._refusals += 1
        pause_s = min(retry_after_s, PAUSE_ASKED_MOST_S)
        self._opens_at = max(self._opens_at, self._clock.monotonic() + pause_s)
        return pause_s

    def answered(self, headers: Mapping[str, str]) -> None:
        """Note a good answer and what its headers say is left."""
        self._refusals = 0
        remaining = headers.get("ratelimit-remaining")
        if remaining is not None:
            left, window_s = read_quota(remaining)
            limit, _ = read_quota(headers.get("ratelimit-limit", ""))
            self._left = (left, limit, window_s)

    def left(self) -> BudgetLeft:
        return BudgetLeft(*self._left, closed_for_s=self._closed_for_s())

    def _closed_for_s(self) -> float:
        return max(0.0, self._opens_at - self._clock.monotonic())

    def _check_gate(self) -> None:
        closed_for_s = self._closed_for_s()
        if closed_for_s > 0:
            raise RateLimited(
                f"{self._registry}: it asked for a pause, {math.ceil(closed_for_s)} s of it are left",
                retry_after_s=closed_for_s,
            )


def read_quota(text: str) -> tuple[int | None, int | None]:
    """`100;w=21600` is 100 in a window of 21,600 s; None for what is not there."""
    match = _QUOTA.match(text)
    if match is None:
        return None, None
    return int(match[1]), int(match[2]) if match[2] else None


def read_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds out of a `Retry-After` header, which holds seconds or an HTTP date; None for neither."""
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text)
    at = read_http_date(text)
    return None if at is None else max(0.0, (at - now).total_seconds())


def read_http_date(text: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
