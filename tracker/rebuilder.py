"""Looks at the graph whenever it may have changed, and keeps the workers busy. Builds nothing itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from graph.database import immediate
from graph.errors import StoreBusy
from graph.record import dataclass
from graph.staleness import Limits
from rebuild.runs.cancel import carry_out_unless_canceled
from rebuild.runs.owner import this_process
from rebuild.runs.recovery import close_logs, hand_back, recover
from rebuild.runs.run import Outcome, Workplace
from rebuild.runs.scratch import sweep
from rebuild.runs.table import Run, Runs, Status
from rebuild.runs.waves import Enqueued, enqueue_due
from rebuild.tasks.task import Tasks
from tracker.metrics import Metrics
from tracker.pulse import unheard
from tracker.reasons import why_asked

TICK_S = 1.0  # how soon a change by another process, a command say, is seen

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator says about rebuilding."""

    limits: Limits
    workers: int


class Rebuilder:
    """Owns the runs of this process."""

    def __init__(
        self,
        place: Workplace,
        rules: Rules,
        metrics: Metrics,
        now: Callable[[], datetime],
        *,
        beat: Callable[[], None] = unheard,
    ) -> None:
        self._place = place
        self._sql = place.connection
        self._runs = Runs(place.connection)
        self._tasks = Tasks(place.connection)
        self._rules = rules
        self._metrics = metrics
        self._now = now
        self._beat = beat
        self._owner = this_process()
        self._changed = asyncio.Event()
        self._wake_at: datetime | None = None
        self._seen_version = -1
        self._looked = False  # since the graph changed last, so that the next round need not
        self._active: dict[asyncio.Task[Outcome], Run] = {}
        self._lost: set[int] = set()  # numbers of runs whose end could not be written down

    def look_within(self) -> None:
        """Ask for the runs that are due now, inside the open transaction."""
        self._seen_version = self._version()  # nobody else writes meanwhile: what comes later is new
        self._note(enqueue_due(self._sql, self._now(), self._rules.limits, workers=self._rules.workers))

    def wake(self) -> None:
        """Something changed: look again and start what waits."""
        self._looked = False
        self._changed.set()

    def start(self) -> None:
        """Start what a look has asked for whose transaction has just ended."""
        self._looked = True
        self._changed.set()

    def recover(self) -> None:
        """Give the runs of dead processes back to the queue, or end them."""
        with immediate(self._sql):
            orphans = recover(self._sql, self._now(), lost=self._lost)
        self._lost.clear()
        close_logs(self._sql, orphans, self._place.logs, self._now())
        sweep(self._place.scratch, self._sql, self._now())
        for run in orphans:
            log.warning("run lost its process", **self._about(run))
        if orphans:
            self.wake()

    async def work(self) -> None:
        """Look, start, wait; until cancelled. Then the builds end and their runs go back to the queue."""
        try:
            while True:
                self._beat()
                self._changed.clear()
                try:
                    self._look_and_start()
                except StoreBusy as error:
                    log.warning("cannot look at the graph now", error=error.message)
                    self._wake_at = self._now()
                await self._pause()
        finally:
            await self._hand_back_all()

    def _look_and_start(self) -> None:
        if not self._looked:
            with immediate(self._sql):
                self.look_within()
        self._looked = False
        self._start_runs()

    def _start_runs(self) -> None:
        while len(self._active) < self._rules.workers:
            with immediate(self._sql):
                run = self._runs.claim(self._now(), self._owner)
            if run is None:
                return
            log.info("run started", **self._about(run), wave=run.wave_id, attempt=run.attempt)
            task = asyncio.create_task(carry_out_unless_canceled(run, self._place), name=f"run {run.run_id}")
            self._active[task] = run
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        run = self._active.pop(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._lost.add(run.number)
            log.error("run could not be recorded", **self._about(run), exc_info=error)
        else:
            self._report(run, task.result())
        self.wake()

    def _report(self, run: Run, outcome: Outcome) -> None:
        started_at = run.started_at or run.created_at
        duration_s = (self._now() - started_at).total_seconds()
        self._metrics.run_finished(run.cause, outcome.status, duration_s)
        if outcome.status is Status.SUCCEEDED:
            for since in self._runs.stale_since(run):
                self._metrics.behind.observe((self._now() - since).total_seconds())
        is_as_wished = outcome.status in (Status.SUCCEEDED, Status.CANCELED)
        tell = log.info if is_as_wished else log.error
        tell(
            "run finished",
            **self._about(run),
            status=outcome.status,
            seconds=round(duration_s, 3),
            error=outcome.error,
            hint=outcome.hint,
            pushed=[str(image) for record in outcome.records if record.pushed for image in record.images],
        )

    def _note(self, enqueued: Enqueued) -> None:
        self._wake_at = enqueued.wake_at
        for run in enqueued.runs:
            why = why_asked(self._runs.reason(run), run.cause).replace("→", "->")  # JSON: \\u2192
            log.info("run queued", **self._about(run), wave=run.wave_id, why=why)
        for wave in enqueued.finished:
            makespan_s = (self._now() - wave.created_at).total_seconds()
            self._metrics.wave_makespan.observe(makespan_s)
            log.info("wave finished", wave=wave.wave_id, tasks=len(wave.tasks), seconds=round(makespan_s, 3))

    async def _pause(self) -> None:
        """Until something changed here, in another process, or by time alone."""
        while not self._changed.is_set():
            self._beat()
            # Not wait_for: until 3.12 it loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._changed.wait()
            others_wrote = self._version() != self._seen_version
            if others_wrote or (self._wake_at is not None and self._wake_at <= self._now()):
                return

    def _version(self) -> int:
        """SQLite counts the commits of other connections here, not our own."""
        return int(self._sql.execute("PRAGMA data_version").fetchone()[0])

    async def _hand_back_all(self) -> None:
        active = dict(self._active)
        for task in active:
            task.cancel()
        await asyncio.gather(*active, return_exceptions=True)
        for task, run in active.items():
            if task.cancelled():
                with immediate(self._sql):
                    hand_back(self._runs, run, self._now())
                log.info("run handed back", **self._about(run))

    def _about(self, run: Run) -> Mapping[str, str | None]:
        """What every line about a run says of it."""
        return {"run": run.run_id, "task": self._tasks.name_of(run.task_id), "cause": run.cause}
