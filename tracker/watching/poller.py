"""Asks about the references whose time has come, each registry at its own pace."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime

import structlog

from graph.database import immediate
from graph.errors import StoreBusy
from graph.observing import Watched
from graph.store import GraphStore, Source
from tracker.lanes import Lanes
from tracker.metrics import Metrics
from tracker.pulse import unheard
from tracker.watching.intake import Intake
from tracker.watching.poll_log import PollLog
from tracker.watching.watch import Answer, Asker, Intervals, not_yet

DUE_MOST = 2_000  # references that are taken up at once
REST_S = 1.0  # between two looks at what is due

log = structlog.get_logger()


class Poller:
    """Level-triggered: whatever an event missed, a round of questions finds."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        asker: Asker,
        intake: Intake,
        intervals: Intervals,
        metrics: Metrics,
        now: Callable[[], datetime],
        *,
        beat: Callable[[], None] = unheard,
        review: Callable[[], None] = unheard,
    ) -> None:
        """`review` is called before each round: it may make references due."""
        self._sql = connection
        self._asker = asker
        self._intake = intake
        self._intervals = intervals
        self._metrics = metrics
        self._now = now
        self._beat = beat
        self._review = review
        self._log = PollLog()
        self._registries: Lanes[str] = Lanes(now)

    async def work(self) -> None:
        """Ask what is due until cancelled; no registry waits for the answers of another."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._beat()
                try:
                    self._review()
                    self._start_due(group)
                    self._log.go_on()
                except StoreBusy as error:  # what is due stays so
                    _warn(error)
                await asyncio.sleep(REST_S)

    async def ask_due(self) -> None:
        """Everything that is due now, once, unless something else has brought its answer meanwhile."""
        async with asyncio.TaskGroup() as group:
            self._start_due(group)

    def _start_due(self, group: asyncio.TaskGroup) -> None:
        """What is due of registries that are not being asked already. Raises `StoreBusy`."""
        self._registries.start(
            group, self._take_due(), of=lambda watched: watched.reference.registry, work=self._ask_registry
        )

    async def _ask_registry(self, registry: str, due: Sequence[Watched]) -> None:
        try:
            async with contextlib.aclosing(self.ask_now(due)) as batches:
                async for answers in batches:
                    self._beat()
                    for answer in answers:
                        self._log.note(answer)
        except StoreBusy as error:  # what was asked is still due
            _warn(error)

    async def ask_now(self, references: Sequence[Watched]) -> AsyncGenerator[list[Answer], None]:
        """Answers as they come, each written down with the runs that it causes. Raises `StoreBusy`."""
        async with contextlib.aclosing(self._asker.ask_all(references)) as batches:
            async for answers in batches:
                self._intake.take(answers, Source.POLL)
                self._metrics.last_poll.set(self._now().timestamp())
                yield answers

    def _take_due(self) -> list[Watched]:
        """What to ask about now; references that were answered for a moment ago are put off."""
        now = self._now()
        store = GraphStore(self._sql)
        due = store.due(now, DUE_MOST, but_not_of=self._registries.closed)
        put_off = {watched.image_id: not_yet(watched, self._intervals, now) for watched in due}
        later = {image_id: at for image_id, at in put_off.items() if at is not None}
        if later:
            with immediate(self._sql):
                for image_id, at in later.items():
                    store.schedule([image_id], at)
        return self._in_order([watched for watched in due if watched.image_id not in later])

    def _in_order(self, due: list[Watched]) -> list[Watched]:
        """Where a registry grants little more, first what most images stand on."""
        low = self._asker.low_registries()
        scarce = [watched.image_id for watched in due if watched.reference.registry in low]
        if not scarce:
            return due
        above = GraphStore(self._sql).directly_on(scarce)
        return sorted(due, key=lambda watched: -above.get(watched.image_id, 0))


def _warn(error: StoreBusy) -> None:
    log.warning("cannot note what registries said", error=error.message)
