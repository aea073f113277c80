"""Works off the inbox: what an event names is asked about, and only the registry's answer counts."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from graph.database import immediate
from graph.errors import StoreBusy
from graph.observing import Watched
from graph.record import dataclass
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
from tracker.watching.letter_work import REST_S, Lane, LetterWork
from tracker.watching.watch import Answer, Asker

GATHER_S = 0.01  # a lone letter is dealt with at once, the next after this
GATHER_MOST_S = 0.05  # and those of a crowd together: a reference that many name is looked up once
CROWD = 50  # letters of a batch
LETTERS_MOST = 500  # dealt with together; what names the same reference is asked about once
PUSHES_MOST = 1_000  # in them; the rest comes with the next ones
LISTED_AFTER_S = 2.0  # the distribution registry tells of a push before it lists the tag
LETTERS_AT_ONCE = 50  # read before others, senders above all, have their turn

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Mail:
    """A letter that was read, without its payload, which may be large."""

    letter: Letter
    told: tuple[Told, ...]

    @property
    def lane(self) -> Lane:
        """The registries that have to be asked."""
        return tuple(
            sorted(
                {each.found.reference.registry for each in self.told if each.found and not each.is_settled}
            )
        )


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
        """Begin to ask about what the letters name; those about which there is nothing to ask are removed."""
        mail = await self._open(self._inbox.oldest(LETTERS_MOST, but_not=self._left()))
        self._came = len(mail)
        self._lane_of |= {one.letter.letter_id: one.lane for one in mail}
        if at_once := [one for one in mail if not one.lane]:
            self._settle(at_once, ())
        asked = (one for one in mail if one.lane)
        self._lanes.start(self._group, asked, of=lambda one: one.lane, work=self._work_off)
        if self._inbox.holds_more_than(len(self._lane_of)):
            return 0.0
        return self._pause_s()

    async def _work_off(self, lane: Lane, mail: Sequence[_Mail]) -> None:
        """Ask about what the letters name; those that are not settled then are looked at again."""
        told = (each for one in mail for each in one.told)
        answers = await asyncio.gather(*map(self._ask, to_ask(told, self._now()).values()))
        try:
            self._settle(mail, answers)
        except StoreBusy as error:  # the letters are still there
            log.warning("cannot deal with events now", box=self.box, error=error.message)
            for one in mail:
                self._wait(one.letter.letter_id, REST_S)
        self.wake()

    def _settle(self, mail: Sequence[_Mail], answers: Sequence[Answer]) -> None:
        """Write what came of the letters, and remove those that are settled. Raises `StoreBusy`."""
        told = [each for one in mail for each in one.told]
        heard = hear(told, answers, self._now())
        self._hasten_lists(told)
        settled = [one.letter for one in mail if one.letter.letter_id not in heard.waits_s]
        self._intake.take(answers, Source.EVENT, settled, [*self._words(told)])
        for letter in settled:
            self._forget(letter.letter_id)
        for number, wait_s in heard.waits_s.items():
            self._wait(number, wait_s)
        self._report(answers, heard)

    async def _open(self, letters: Sequence[Letter]) -> list[_Mail]:
        """The first of the letters, up to a bound of pushes, and what they tell."""
        read: list[tuple[Letter, tuple[Push, ...]]] = []
        number = 0
        for letter in letters:
            pushes = self._read(letter)
            read.append((replace(letter, payload=b""), pushes))
            number += len(pushes)
            if number >= PUSHES_MOST:
                break
            if len(read) % LETTERS_AT_ONCE == 0:
                await asyncio.sleep(0)
        named = {push: tuple(push.names()) for _, pushes in read for push in pushes}
        watched = self._store.watched(reference for names in named.values() for reference in names)
        found = {push: next(filter(None, map(watched.get, names)), None) for push, names in named.items()}
        return [
            _Mail(letter, tuple(Told(letter, push, found[push]) for push in pushes))
            for letter, pushes in read
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
