"""The clock of the service: has the timers that are due make their runs. Knows neither schedules nor zones.

The database says what is due, and is asked every second, so that a timer that somebody adds, changes or
removes counts at once, and none is lost when the machine's clock is set or the machine sleeps. APScheduler
holds one job, for the nearest time of all: with it timers go off on time, and thousands cost as much as one.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from graph.database import immediate
from graph.errors import StoreBusy
from rebuild.tasks.due_timers import Fired, TimerRules, fire_due
from rebuild.tasks.timers import Timers
from tracker.metrics import Metrics
from tracker.pulse import unheard

TICK_S = 1.0  # how soon a change of the timers is seen
AT_ONCE_MOST = 50  # timers in one transaction, some 10 ms; the loop goes on between two
_JOB = "timers"
_SET_BACK_S = 2.0  # less than this the clock is only being adjusted

log = structlog.get_logger()


class TimerClock:
    """Owns the timers of this process."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        wake: Callable[[], None],
        rules: TimerRules,
        metrics: Metrics,
        now: Callable[[], datetime],
        *,
        scheduler: AsyncIOScheduler,
        beat: Callable[[], None] = unheard,
        tick_s: float = TICK_S,
    ) -> None:
        self._sql = connection
        self._timers = Timers(connection)
        self._wake = wake
        self._rules = rules
        self._metrics = metrics
        self._now = now
        self._scheduler = scheduler
        self._beat = beat
        self._tick_s = tick_s
        self._due = asyncio.Event()
        self._armed_for: datetime | None = None
        self._seen_at: datetime | None = None  # at the last look; None: the timers have not been planned

    async def work(self) -> None:
        """Look, fire, wait; until cancelled."""
        while True:
            self._beat()
            self._due.clear()
            try:
                await self.look()
            except StoreBusy as error:
                log.warning("cannot look at the timers now", error=error.message)
            # Not wait_for: until 3.12 it loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._tick_s):
                    await self._due.wait()

    async def look(self) -> None:
        """Fire what is due, and have APScheduler tell when the next is."""
        self._notice_the_clock(self._now())
        while self._fire():
            self._beat()
            await asyncio.sleep(0)
        self._arm(self._timers.next_at())

    def _notice_the_clock(self, at: datetime) -> None:
        is_set_back = self._seen_at is not None and at < self._seen_at - timedelta(seconds=_SET_BACK_S)
        if self._seen_at is None or is_set_back:
            with immediate(self._sql):
                faults = self._timers.plan_all(at)
            for fault in faults:
                log.error(fault)
        if is_set_back:
            self._resume_jobs(at)
        self._seen_at = at

    def _resume_jobs(self, at: datetime) -> None:
        """APScheduler waits for the time that it once worked out, which may be hours from now."""
        log.warning("the clock was set back", at=at.isoformat())
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=at)

    def _fire(self) -> bool:
        """Whether there may be more."""
        at, first = self._now(), self._timers.next_at()
        if first is None or first > at:
            return False
        with immediate(self._sql):
            fired = fire_due(self._sql, at, self._rules, most=AT_ONCE_MOST)
        for one in fired:
            self._report(one, at)
        if any(one.run is not None for one in fired):
            self._wake()
        return len(fired) == AT_ONCE_MOST

    def _report(self, fired: Fired, at: datetime) -> None:
        timer = fired.timer
        self._metrics.timers.labels(fired.effect).inc()
        log.info(
            "timer was due",
            task=timer.task,
            timer=timer.name,
            effect=fired.effect,
            run=fired.run.run_id if fired.run else None,
            late_s=round((at - timer.due_at).total_seconds(), 3),
        )
        if fired.fault is not None:
            log.error(fired.fault, task=timer.task)

    def _arm(self, next_at: datetime | None) -> None:
        if next_at == self._armed_for:
            return
        self._armed_for = next_at
        if next_at is None:
            if self._scheduler.get_job(_JOB) is not None:
                self._scheduler.remove_job(_JOB)
            return
        self._scheduler.add_job(
            self._tell, "date", run_date=next_at, id=_JOB, replace_existing=True, misfire_grace_time=None
        )

    async def _tell(self) -> None:
        """A coroutine: APScheduler would call a plain function in a thread."""
        self._armed_for = None
        self._due.set()
