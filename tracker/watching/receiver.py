"""Works off the inbox: what an event names is asked about, and only the registry's answer counts."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from graph.database import immediate
from graph.observing import Watched
from graph.store import GraphStore, Source
from graph.tag_lists import TagLists
from tracker.events.hearing import Heard, Told, hear, to_ask
from tracker.events.push import Push
from tracker.events.reading import read_pushes
from tracker.events.sender import Sender
from tracker.metrics import Metrics
from tracker.pulse import unheard
from tracker.watching.event_path import place_of
from tracker.watching.event_paths import Word
from tracker.watching.inbox import Box, Letter
from tracker.watching.intake import Intake
from tracker.watching.letter_work import IDLE_S, LetterWork
from tracker.watching.watch import Answer, Asker

GATHER_S = 0.01  # a lone letter is dealt with at once, the next after this
GATHER_MOST_S = 0.05  # and those of a crowd together: a reference that many name is looked up once
CROWD = 50  # letters of a batch
LETTERS_MOST = 500  # dealt with together; what names the same reference is asked about once
PUSHES_MOST = 1_000  # in them; the rest comes with the next ones
LISTED_AFTER_S = 2.0  # the distribution registry tells of a push before it lists the tag
LETTERS_AT_ONCE = 50  # read before others, senders above all, have their turn

log = structlog.get_logger()


class Receiver(LetterWork[Sender, Push]):
    """Turns stored events into observations."""

    box = Box.EVENTS

    def __init__(
        self,
        connection: sqlite3.Connection,
        asker: Asker,
        intake: Intake,
        metrics: Metrics,
        *,
        senders: Mapping[str, Sender],
        now: Callable[[], datetime],
        beat: Callable[[], None] = unheard,
    ) -> None:
        super().__init__(connection, senders, now=now, beat=beat)
        self._store = GraphStore(connection)
        self._asker = asker
        self._intake = intake
        self._metrics = metrics
        self._came = 0  # letters of the last batch

    def _gather_s(self) -> float:
        return GATHER_S + min(1.0, self._came / CROWD) * (GATHER_MOST_S - GATHER_S)

    async def _deal(self) -> float:
        """Ask about what the letters name and remove those that are settled; answers when to look again."""
        opened, told = await self._open(self._inbox.oldest(LETTERS_MOST))
        self._came = len(opened)
        answers = await asyncio.gather(*map(self._ask, to_ask(told, self._now()).values()))
        heard = hear(told, answers, self._now())
        self._hasten_lists(told)
        settled = [letter for letter in opened if letter.letter_id not in heard.waits_s]
        self._intake.take(answers, Source.EVENT, settled, [*self._words(told)])
        self._report(answers, heard)
        if settled and self._inbox.holds_more_than(len(heard.waits_s)):
            return 0.0
        return min(heard.waits_s.values(), default=IDLE_S)

    async def _open(self, letters: Sequence[Letter]) -> tuple[list[Letter], list[Told]]:
        """The first of the letters, up to a bound of pushes, and what they tell."""
        opened: list[Letter] = []
        pushes: list[tuple[Letter, Push]] = []
        for letter in letters:
            opened.append(letter)
            pushes += [(letter, push) for push in self._read(letter)]
            if len(pushes) >= PUSHES_MOST:
                break
            if len(opened) % LETTERS_AT_ONCE == 0:
                await asyncio.sleep(0)
        named = {push: tuple(push.names()) for _, push in pushes}
        watched = self._store.watched(reference for names in named.values() for reference in names)
        return opened, [
            Told(letter, push, next(filter(None, map(watched.get, named[push])), None))
            for letter, push in pushes
        ]

    def _hasten_lists(self, told: Iterable[Told]) -> None:
        """A tag that nobody watches may be the newest of those that somebody follows."""
        pushes = [each.push for each in told if each.found is None]
        repositories = {reference.name for push in pushes for reference in push.names()}
        if repositories:
            with immediate(self._sql):
                due_at = self._now() + timedelta(seconds=LISTED_AFTER_S)
                TagLists(self._sql).hasten(repositories, due_at)

    def _words(self, told: Iterable[Told]) -> Iterator[Word]:
        """What the events say by having come at all."""
        for each in told:
            if each.found is not None:
                source = each.letter.source
                place = place_of(self._senders[source].kind, each.found.reference)
                yield Word(each.found.image_id, place, source, each.letter.received_at)

    def _report(self, answers: Iterable[Answer], heard: Heard) -> None:
        for answer in answers:
            if answer.error is not None:  # the poll asks again soon: nothing is lost with the letter
                log.warning(
                    "event not confirmed", reference=str(answer.watched.reference), error=answer.error.message
                )
        for letter, result in heard.results:
            self._metrics.events.labels(letter.source, result).inc()

    async def _ask(self, watched: Watched) -> Answer:
        answer = await self._asker.ask(watched)
        self._beat()
        return answer

    def _told_by(self, sender: Sender, letter: Letter) -> tuple[Push, ...]:
        return read_pushes(sender, letter.payload, letter.headers)
