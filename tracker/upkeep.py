"""What the service does by the clock alone: finds lost runs, tidies, and tells systemd how it is."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from graph.database import immediate
from graph.errors import StoreBusy, StoreError
from graph.store import GraphStore
from rebuild.engines.engine import EngineError, Pruned
from rebuild.runs.logs import expire, remove_logs
from rebuild.runs.retention import BATCH, forget_runs, forget_waves
from rebuild.runs.table import Runs
from rebuild.runs.uploads import Uploads
from tracker.ancestry import Ancestry
from tracker.metrics import StateRead
from tracker.pulse import Pulse, Stuck
from tracker.rebuilder import Rebuilder
from tracker.scrape import Scrape
from tracker.service import Supervisor
from tracker.wording import counted

RECOVER_EVERY_S = 5.0  # how soon a run of a command that was killed goes on
TIDY_EVERY_S = 3600.0
CLEAR_EVERY_S = 86400.0
STATUS_EVERY_S = 30.0
ANCESTRY_EVERY_S = 60.0
CACHE_KEPT_S = 7 * 86400.0  # of the engine, from its making
BUILDS_KEPT = 20  # of each image
PAUSE_S = 0.02  # between two batches of runs that are forgotten: who waits for the database goes first

log = structlog.get_logger()


class EngineStorage:
    """The engine's storage where that is tracker's own: kept from growing for ever."""

    def __init__(self, prune: Callable[..., Awaitable[Pruned]], now: Callable[[], datetime]) -> None:
        self._prune = prune  # `Engine.prune`
        self._now = now
        self._due_at = now()

    async def clear(self) -> None:
        """Once a day; where a build is in the way, at the next call."""
        if self._now() < self._due_at:
            return
        try:
            done = await self._prune(older_than_s=CACHE_KEPT_S)
        except EngineError as error:
            log.warning("cannot clear the engine's storage now", error=error.message)
            return
        if done.why_not is not None:
            log.info("the engine's storage was not cleared", reason=done.why_not)
            return
        self._due_at = self._now() + timedelta(seconds=CLEAR_EVERY_S)
        log.info("cleared the engine's storage", images=done.images)


class SentContexts:
    """The contexts that callers have sent: kept for a while, and as long as a run waits for them."""

    def __init__(self, uploads: Uploads, runs: Runs, *, keep_s: float, now: Callable[[], datetime]) -> None:
        self._uploads = uploads
        self._runs = runs
        self._keep_s = keep_s
        self._now = now

    async def expire(self) -> int:
        before, in_use = self._now() - timedelta(seconds=self._keep_s), self._runs.uploads_in_use()
        return await asyncio.to_thread(self._uploads.expire, before=before, in_use=in_use)


class OldRuns:
    """Runs that ended long ago: forgotten a few at a time, so that nobody waits for the database."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        logs: Path,
        *,
        keep_runs_s: float,
        keep_logs_s: float,
        now: Callable[[], datetime],
    ) -> None:
        self._sql = connection
        self._logs = logs
        self._keep_runs_s = keep_runs_s
        self._keep_logs_s = keep_logs_s
        self._now = now

    async def forget(self) -> int:
        """Answers how many runs. A log that a crash left behind goes with the logs of its age."""
        before, start, count = self._now() - timedelta(seconds=self._keep_runs_s), 0, 0
        while True:
            with immediate(self._sql):
                forgotten = forget_runs(self._sql, before=before, start=start)
                waves = forget_waves(self._sql, before=before)
            await asyncio.to_thread(remove_logs, self._logs, forgotten.run_ids)
            count += len(forgotten.run_ids)
            if forgotten.go_on_from is None and waves < BATCH:
                return count
            start = forgotten.go_on_from or start
            await asyncio.sleep(PAUSE_S)

    async def expire_logs(self) -> int:
        """Answers how many; those of archived runs stay."""
        before, kept = self._now() - timedelta(seconds=self._keep_logs_s), Runs(self._sql).archived()
        return await asyncio.to_thread(expire, self._logs, before=before, kept=kept)


class Upkeep:
    """All jobs are coroutines: APScheduler calls plain functions in threads, where the connection is not."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        rebuilder: Rebuilder,
        *,
        old_runs: OldRuns,
        storage: EngineStorage | None,
        sent: SentContexts | None = None,
    ) -> None:
        self._storage = storage
        self._sent = sent
        self._sql = connection
        self._rebuilder = rebuilder
        self._old_runs = old_runs

    async def recover(self) -> None:
        """Give the runs of dead processes back to the queue."""
        try:
            self._rebuilder.recover()
        except StoreBusy as error:
            log.warning("cannot look for lost runs now", error=error.message)

    async def tidy(self) -> None:
        """Forget what nobody will ask for any more."""
        try:
            with immediate(self._sql):
                store = GraphStore(self._sql)
                forgotten, builds = store.forget_unused(), store.prune_builds(BUILDS_KEPT)
                history = store.prune_history()
            runs, logs = await self._old_runs.forget(), await self._old_runs.expire_logs()
        except StoreBusy as error:
            log.warning("cannot tidy now", error=error.message)
            return
        log.info("tidied", unwatched=forgotten, builds=builds, observations=history, runs=runs, logs=logs)
        if self._sent is not None:
            log.info("expired uploaded contexts", contexts=await self._sent.expire())
        if self._storage is not None:
            await self._storage.clear()


class Report:
    """Tells the service manager that all is well, only while it is, and what is going on."""

    def __init__(self, supervisor: Supervisor, pulse: Pulse, scrape: Scrape) -> None:
        self._supervisor = supervisor
        self._pulse = pulse
        self._scrape = scrape

    async def alive(self) -> None:
        """A stuck loop never comes here; a stuck part is told apart and ends the service as well."""
        try:
            self._pulse.check()
        except Stuck as stuck:
            log.error("a part of the service is stuck", error=stuck.message)
            return
        self._supervisor.alive()

    async def status(self) -> None:
        """One line for `systemctl status`."""
        try:
            state = await self._scrape.state()
        except (StoreError, sqlite3.Error) as error:
            self._supervisor.status(f"the database cannot be read: {error}")
        else:
            self._supervisor.status(status_line(state))


def status_line(state: StateRead) -> str:
    """`watching 12 references · 40 images, 3 stale · 2 runs going, 1 waiting`."""
    parts = [
        f"watching {counted(state.watched, 'reference')}",
        f"{counted(state.tracked, 'image')}, {state.stale} stale",
        f"{counted(state.running, 'run')} going, {state.queued} waiting",
    ]
    return " · ".join(parts)


def clock(
    upkeep: Upkeep, report: Report, ancestry: Ancestry, *, watchdog_s: float | None, now: datetime
) -> AsyncIOScheduler:
    """Every job with its interval; not started yet. The first status is told at once."""
    scheduler = AsyncIOScheduler(
        timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
    )
    scheduler.add_job(upkeep.recover, "interval", seconds=RECOVER_EVERY_S)
    scheduler.add_job(upkeep.tidy, "interval", seconds=TIDY_EVERY_S)
    scheduler.add_job(ancestry.work, "interval", seconds=ANCESTRY_EVERY_S, next_run_time=now)
    scheduler.add_job(report.status, "interval", seconds=STATUS_EVERY_S, next_run_time=now)
    if watchdog_s is not None:
        scheduler.add_job(report.alive, "interval", seconds=watchdog_s / 3)
    return scheduler
