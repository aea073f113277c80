"""A clock that stands still until somebody sleeps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tracker.registry import Clock

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class FakeClock:
    passed_s: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(
            monotonic=lambda: self.passed_s,
            now=lambda: START + timedelta(seconds=self.passed_s),
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.passed_s += seconds
        await asyncio.sleep(0)
