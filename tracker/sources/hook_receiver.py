"""Works off the box of events of repositories: each becomes wishes for runs. Decides none of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from graph.errors import TrackerError
from rebuild.context.where import Git
from rebuild.sources.event import SourceEvent
from rebuild.sources.wishes import Asked, Effect, in_doubt, lacks_default_branch
from rebuild.tasks.task import Task
from tracker.hooks.reading import read_events
from tracker.hooks.sender import HookSender
from tracker.metrics import EventResult, Metrics
from tracker.pulse import unheard
from tracker.sources.intake import SourceIntake
from tracker.watching.inbox import Box, Letter
from tracker.watching.letter_work import IDLE_S, LetterWork

LETTERS_MOST = 20  # one may have 25 MB
AGAIN_S = 30.0  # the pause where a repository does not answer
ASKED_MOST_S = 3600.0  # the age of a letter up to which it is asked again

_RESULTS = {
    Effect.ASKED: EventResult.ASKED,
    Effect.KNOWN: EventResult.KNOWN,
    Effect.LATE: EventResult.KNOWN,
    Effect.DELETED: EventResult.UNWATCHED,
    Effect.UNWANTED: EventResult.UNWATCHED,
}

log = structlog.get_logger()


class Server(Protocol):
    """Who knows how a repository stands. Every question may raise `TrackerError`."""

    async def default_branch(self, task: Task, context: Git) -> str | None: ...

    async def commit_of(self, task: Task, context: Git, ref: str) -> str: ...


def as_it_stands(event: SourceEvent, commit: str) -> SourceEvent:
    """The event as a poll would have told it: events may come in any order, and what is there now counts.

    The paths of one push are not all that has changed since the last that was heard of.
    """
    if commit == event.commit:
        return replace(event, old_commit=None, paths=None)
    return replace(event, commit=commit, old_commit=None, message="", paths=None)


class HookReceiver(LetterWork[HookSender, SourceEvent]):
    """Turns stored events into what tasks are asked to do, letter by letter, in the order of their coming."""

    box = Box.HOOKS

    def __init__(
        self,
        connection: sqlite3.Connection,
        intake: SourceIntake,
        metrics: Metrics,
        *,
        senders: Mapping[str, HookSender],
        server: Server,
        now: Callable[[], datetime],
        beat: Callable[[], None] = unheard,
    ) -> None:
        super().__init__(connection, senders, now=now, beat=beat)
        self._intake = intake
        self._metrics = metrics
        self._server = server
        self._again_at: dict[int, datetime] = {}  # by the numbers of letters that wait

    async def _deal(self) -> float:
        silent: set[str] = set()
        for letter in self._inbox.oldest(LETTERS_MOST, but_not=self._waiting()):
            if not await self._deal_with(letter, silent):
                self._again_at[letter.letter_id] = self._now() + timedelta(seconds=AGAIN_S)
            self._beat()
            await asyncio.sleep(0)  # others have their turn between two large ones
        if self._inbox.holds_more_than(len(self._again_at)):
            return 0.0
        again_s = ((at - self._now()).total_seconds() for at in self._again_at.values())
        return max(0.0, min(again_s, default=IDLE_S))

    def _waiting(self) -> Iterable[int]:
        """The letters whose repositories did not answer a moment ago."""
        self._again_at = {letter: at for letter, at in self._again_at.items() if at > self._now()}
        return self._again_at.keys()

    async def _deal_with(self, letter: Letter, silent: set[str]) -> bool:
        """Whether it is dealt with, and gone. `silent` are repositories that have not answered just now."""
        told = self._read(letter)
        repositories = {event.urls[0] for event in told}
        if repositories & silent:
            return False
        try:
            events = [await self._completed(event) for event in told]
        except TrackerError as error:
            silent |= repositories
            if (self._now() - letter.received_at).total_seconds() < ASKED_MOST_S:
                log.warning("event waits: its repository cannot be asked", error=error.message)
                return False
            log.error("event given up: its repository cannot be asked", error=error.message)
            events = []
        asked = self._intake.take(events, lambda _: self._inbox.remove([letter]))
        self._count(letter, asked)
        return True

    async def _completed(self, event: SourceEvent) -> SourceEvent:
        """With what the server of the repository has to tell, where the event alone is not enough."""
        for task, context in lacks_default_branch(self._sql, event)[:1]:
            event = replace(event, default_branch=await self._server.default_branch(task, context))
        for task, context in in_doubt(self._sql, event)[:1]:
            if event.full_ref is not None:
                event = as_it_stands(event, await self._server.commit_of(task, context, event.full_ref))
        return event

    def _told_by(self, sender: HookSender, letter: Letter) -> tuple[SourceEvent, ...]:
        return read_events(sender.provider, letter.payload, letter.headers)

    def _count(self, letter: Letter, asked: Iterable[Asked]) -> None:
        results = [_RESULTS[one.effect] for one in asked] or [EventResult.UNWATCHED]
        for result in results:
            self._metrics.events.labels(f"hooks/{letter.source}", result).inc()
