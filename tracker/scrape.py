"""Reads what the service knows of its state, and shares one reading among all who ask. Names no metric."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from graph.freshness import read_freshness
from graph.store import GraphStore
from rebuild.runs.outbox import Outbox
from rebuild.runs.table import Runs
from tracker.metrics import Metrics, StateRead
from tracker.registry import BudgetLeft
from tracker.watching.inbox import Box, Inbox
from tracker.watching.watch import Intervals

KEEP_S = 1.0
USUALLY_S = Intervals().longest_of
KEEP_FACTOR = 10.0  # a large graph takes long to read: reading may take this part of the time at most


def read_state(connection: sqlite3.Connection, now: datetime, budgets: Mapping[str, BudgetLeft]) -> StateRead:
    """The gauges of one moment. Where much of a large graph is stale this takes a second."""
    freshness = read_freshness(connection, now)
    queue = Runs(connection).queue()
    due_at = GraphStore(connection).next_due()
    messages = Outbox(connection).waiting()
    return StateRead(
        watched=freshness.watched,
        tracked=freshness.tracked,
        stale=freshness.stale,
        pinned=freshness.pinned,
        behind_oldest_s=freshness.oldest_s,
        queued=queue.queued,
        queued_oldest_s=_age_s(queue.oldest_at, now),
        running=queue.claimed,
        letters=sum(Inbox(connection, box).count() for box in Box),
        overdue_s=_age_s(due_at, now),
        messages=messages.count,
        messages_oldest_s=_age_s(messages.oldest_at, now),
        budgets={
            registry: (left.pulls_left, left.pulls_limit)
            for registry, left in budgets.items()
            if left.pulls_left is not None
        },
    )


def _age_s(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since is not None else 0.0


class Scrape:
    """The state and the metrics, read in a thread so that the event loop goes on."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        connect: Callable[[], sqlite3.Connection],
        budgets: Callable[[], Mapping[str, BudgetLeft]],
        now: Callable[[], datetime],
        interval_s: Callable[[str], float] = USUALLY_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._connect = connect
        self._budgets = budgets
        self._now = now
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._reading = asyncio.Lock()
        self._state = StateRead()
        self._old_at = float("-inf")

    async def state(self) -> StateRead:
        """At most a second old, or ten times as old as it took to read."""
        async with self._reading:  # who comes meanwhile waits here and not in a thread of the pool
            started_s = self._monotonic()
            if started_s >= self._old_at:
                budgets = self._budgets()
                interval_s = {registry: self._interval_s(registry) for registry in budgets}
                state = await asyncio.to_thread(self._read, budgets)
                self._state = replace(state, interval_s=interval_s)
                ended_s = self._monotonic()
                self._old_at = ended_s + max(KEEP_S, KEEP_FACTOR * (ended_s - started_s))
            return self._state

    async def text(self) -> bytes:
        """The exposition text: the counters as they are now, with the state."""
        self._metrics.show(await self.state())
        return await asyncio.to_thread(self._metrics.render)

    def _read(self, budgets: Mapping[str, BudgetLeft]) -> StateRead:
        with contextlib.closing(self._connect()) as connection:
            return read_state(connection, self._now(), budgets)
