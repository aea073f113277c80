"""Works off the inbox: what an event names is asked about, and only the registry's answer counts."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from graph.errors import StoreBusy
from graph.observing import Watched
from graph.store import GraphStore, Source
from tracker.events.distribution import read_envelope
from tracker.events.push import BadEvent, Push
from tracker.inbox import Inbox, Letter
from tracker.intake import Intake
from tracker.metrics import EventResult, Metrics
from tracker.pulse import unheard
from tracker.watch import Answer, Asker

IDLE_S = 10.0  # where no event comes, how often to look and to show that we could
REST_S = 1.0  # the pause where another process holds the database
LETTERS_MOST = 500  # read at once; what names the same reference is asked about once

log = structlog.get_logger()


class Receiver:
    """Turns stored events into observations."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        asker: Asker,
        intake: Intake,
        metrics: Metrics,
        *,
        registry_names: Mapping[str, str | None],
        beat: Callable[[], None] = unheard,
    ) -> None:
        self._store = GraphStore(connection)
        self._inbox = Inbox(connection)
        self._asker = asker
        self._intake = intake
        self._metrics = metrics
        self._registry_names = registry_names
        self._beat = beat
        self._arrived = asyncio.Event()

    def wake(self) -> None:
        """Something was put into the inbox."""
        self._arrived.set()

    async def work(self) -> None:
        """Batch after batch until cancelled; what a killed process left behind comes first."""
        while True:
            self._beat()
            self._arrived.clear()
            try:
                while letters := self._inbox.oldest(LETTERS_MOST):
                    await self._deal_with(letters)
            except StoreBusy as error:  # the letters are still there
                log.warning("cannot deal with events now", error=error.message)
                await asyncio.sleep(REST_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S):
                    await self._arrived.wait()

    async def _deal_with(self, letters: Sequence[Letter]) -> None:
        named = self._named(letters)
        answers = await asyncio.gather(*(self._ask(watched) for watched in named))
        for answer in answers:
            if answer.error is not None:  # the poll asks again soon: nothing is lost with the letter
                log.warning(
                    "event not confirmed", reference=str(answer.watched.reference), error=answer.error.message
                )
        self._intake.take(answers, Source.EVENT, letters)

    async def _ask(self, watched: Watched) -> Answer:
        answer = await self._asker.ask(watched)
        self._beat()
        return answer

    def _named(self, letters: Iterable[Letter]) -> list[Watched]:
        """The references that these events name and that we did not know to be so, each once."""
        named: dict[int, Watched] = {}
        for letter in letters:
            for push in self._read(letter):
                found = self._watched(push)
                self._metrics.events.labels(letter.source, _result(push, found)).inc()
                if found is not None and not _known(push, found):
                    named[found.image_id] = found
        return list(named.values())

    def _read(self, letter: Letter) -> tuple[Push, ...]:
        try:
            return read_envelope(letter.payload, registry=self._registry_names.get(letter.source))
        except BadEvent as error:  # checked before it was stored; a later version may think otherwise
            log.warning("event not understood", source=letter.source, error=error.message)
            return ()

    def _watched(self, push: Push) -> Watched | None:
        return next(filter(None, map(self._store.watched, push.names())), None)


def _known(push: Push, found: Watched) -> bool:
    return push.digest is not None and push.digest == found.observed


def _result(push: Push, found: Watched | None) -> EventResult:
    if found is None:
        return EventResult.UNWATCHED
    return EventResult.KNOWN if _known(push, found) else EventResult.ASKED
