"""How much we may still ask of a registry as one account. Counts and waits; of HTTP only limit headers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from graph.record import dataclass
from rebuild.images.pause import OnPause, Pause
from rebuild.images.registry import RateLimited
from tracker.registry.settings import Clock

PAUSE_FIRST_S = 5.0  # after a refusal that names no time; doubles with each further one
PAUSE_MOST_S = 900.0
SCARCE = 0.5  # with less than this part of its pulls left, an account spends them where most stands on it
LOW = 0.1  # with less than this part of its pulls left, an account keeps them for builds
LOW_PAUSE_S = 900.0  # after which a poll that was put off for that may ask again
PAUSE_ASKED_MOST_S = 24 * 3600.0  # a longer one is taken for a mistake
_QUOTA = re.compile(r"\s*(\d{1,12})(?:\s*;\s*w=(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """What is known of a registry's limits; None where it names none."""

    pulls_left: int | None
    pulls_limit: int | None
    window_s: int | None
    closed_for_s: float  # 0 where it may be asked

    @property
    def is_low(self) -> bool:
        """Whether what is left is kept for builds."""
        return self._is_below(LOW)

    @property
    def is_scarce(self) -> bool:
        """Whether it matters what is asked first."""
        return self.closed_for_s > 0 or self._is_below(SCARCE)

    def _is_below(self, part: float) -> bool:
        return self.pulls_left is not None and self.pulls_left < (self.pulls_limit or 0) * part


class Pace:
    """How fast one registry is asked by all accounts together, for such limits are on addresses.

    It holds a second's worth, so that the pace is even.
    """

    def __init__(self, requests_per_minute: int | None, clock: Clock) -> None:
        self._clock = clock
        self._interval_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._burst_s = max(1.0, self._interval_s)
        self._next_at = -math.inf

    async def wait(self, *, yields: bool, tell: Callable[[float], None]) -> bool:
        """Wait for a place; whether there was any waiting. Who yields takes one only once it is free. `tell`
        hears the seconds of a wait before it begins."""
        if not self._interval_s:
            return False
        now = began_at = self._clock.monotonic()
        while yields and self._next_place(now) > now:
            await self._sleep(self._next_place(now) - now, tell)
            now = self._clock.monotonic()
        mine = self._next_place(now)
        self._next_at = mine + self._interval_s
        if mine > now:
            await self._sleep(mine - now, tell)
        return mine > began_at

    async def _sleep(self, pause_s: float, tell: Callable[[float], None]) -> None:
        tell(pause_s)
        await self._clock.sleep(pause_s)

    def _next_place(self, now: float) -> float:
        return max(self._next_at, now - self._burst_s + self._interval_s)


class Budget:
    """One account's at one registry: its quota, and a gate that refusals close for all who ask as it.

    A closed gate raises at once instead of holding the caller: whether to wait is a question of the
    caller's patience.
    """

    def __init__(
        self, registry: str, requests_per_minute: int | None, clock: Clock, *, pace: Pace | None = None
    ) -> None:
        """`pace` is shared with the other accounts; one of its own where none is given."""
        self._registry = registry
        self._clock = clock
        self._pace = pace or Pace(requests_per_minute, clock)
        self._opens_at = -math.inf
        self._refusals = 0
        self._left: tuple[int | None, int | None, int | None] = (None, None, None)
        self._told_at = -math.inf

    async def enter(self, *, yields: bool = False, on_pause: OnPause | None = None) -> None:
        """Wait for a place at the registry's pace. Raises `RateLimited` while the gate is closed."""

        def tell(pause_s: float) -> None:
            if on_pause is not None:
                why = f"{self._registry}: it is not asked faster than requests_per_minute says"
                until = self._clock.now() + timedelta(seconds=pause_s)
                on_pause(Pause(why, pause_s, until, standing=True))

        self._check_gate()
        if await self._pace.wait(yields=yields, tell=tell):
            self._check_gate()

    def check_pull(self) -> None:
        """Raise `RateLimited` where the pulls that are left are kept for builds."""
        left = self.left()
        if left.is_low:
            kept = f"{left.pulls_left} of {left.pulls_limit} pulls are left, which are kept for builds"
            raise RateLimited(f"{self._registry}: {kept}", retry_after_s=LOW_PAUSE_S)

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
            self._told_at = self._clock.monotonic()

    def left(self) -> BudgetLeft:
        """As it was told last; what was told longer ago than the window lasts says nothing."""
        window_s = self._left[2]
        told = self._left
        if window_s is not None and self._clock.monotonic() - self._told_at > window_s:
            told = (None, None, None)
        return BudgetLeft(*told, closed_for_s=self._closed_for_s())

    def told_ago_s(self) -> float:
        return self._clock.monotonic() - self._told_at

    def restore(self, left: BudgetLeft, *, told_ago_s: float) -> None:
        """What a process before this one knew."""
        now = self._clock.monotonic()
        self._left = (left.pulls_left, left.pulls_limit, left.window_s)
        self._told_at = now - told_ago_s
        if left.closed_for_s > 0:
            self._opens_at = now + min(left.closed_for_s, PAUSE_ASKED_MOST_S)

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
