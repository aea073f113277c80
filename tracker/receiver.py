"""Works off the inbox: what an event names is asked about, and only the registry's answer counts."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

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

GATHER_S = 0.01  # between two batches
IDLE_S = 10.0  # where no event comes, how often to look and to show that we could
REST_S = 1.0  # the pause where another process holds the database
AGAIN_S = 0.02  # the first pause where the registry does not show yet what it told of
EARLY_MOST_S = 5.0  # the age of a letter up to which that is thought possible
LETTERS_MOST = 500  # read at once; what names the same reference is asked about once

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """One push that a letter tells of, and the watched reference that it may have moved."""

    letter: Letter
    push: Push
    found: Watched | None


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
                pause_s = await self._deal_with(self._inbox.oldest(LETTERS_MOST))
            except StoreBusy as error:  # the letters are still there
                log.warning("cannot deal with events now", error=error.message)
                pause_s = REST_S
            await asyncio.sleep(GATHER_S)  # a lone event is dealt with at once, those of a storm together
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._arrived.wait()

    async def _deal_with(self, letters: Sequence[Letter]) -> float:
        """Ask about what the letters name and remove those that are settled; answers when to look again."""
        told = [Told(letter, push, self._watched(push)) for letter in letters for push in self._read(letter)]
        named = {each.found.image_id: each.found for each in told if each.found and not _known(each)}
        answers = await asyncio.gather(*map(self._ask, named.values()))
        by_image = {answer.watched.image_id: answer for answer in answers}
        waits_s = {
            each.letter: wait_s
            for each in told
            if each.found and (wait_s := _early_s(each, by_image.get(each.found.image_id))) is not None
        }
        settled = [letter for letter in letters if letter not in waits_s]
        self._intake.take(answers, Source.EVENT, settled)
        self._report(answers, [each for each in told if each.letter not in waits_s])
        if settled and len(letters) == LETTERS_MOST:
            return 0.0
        return min(waits_s.values(), default=IDLE_S)

    def _report(self, answers: Iterable[Answer], told: Iterable[Told]) -> None:
        for answer in answers:
            if answer.error is not None:  # the poll asks again soon: nothing is lost with the letter
                log.warning(
                    "event not confirmed", reference=str(answer.watched.reference), error=answer.error.message
                )
        for each in told:
            self._metrics.events.labels(each.letter.source, _result(each)).inc()

    async def _ask(self, watched: Watched) -> Answer:
        answer = await self._asker.ask(watched)
        self._beat()
        return answer

    def _read(self, letter: Letter) -> tuple[Push, ...]:
        try:
            return read_envelope(letter.payload, registry=self._registry_names.get(letter.source))
        except BadEvent as error:  # checked before it was stored; a later version may think otherwise
            log.warning("event not understood", source=letter.source, error=error.message)
            return ()

    def _watched(self, push: Push) -> Watched | None:
        return next(filter(None, map(self._store.watched, push.names())), None)


def _known(told: Told) -> bool:
    return told.found is not None and told.push.digest is not None and told.push.digest == told.found.observed


def _early_s(told: Told, answer: Answer | None) -> float | None:
    """When to ask again, if the registry does not show yet what it told of; None: it is settled.

    The distribution registry tells of a push before it moves the tag. So an answer that differs counts
    only when the letter has some age; until then each pause is as long as all before it.
    """
    if answer is None or answer.error is not None or told.push.digest in (None, answer.digest):
        return None
    age_s = (answer.at - told.letter.received_at).total_seconds()
    return max(AGAIN_S, age_s) if age_s < EARLY_MOST_S else None


def _result(told: Told) -> EventResult:
    if told.found is None:
        return EventResult.UNWATCHED
    return EventResult.KNOWN if _known(told) else EventResult.ASKED
