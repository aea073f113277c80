"""Works off the box of events of repositories: each becomes wishes for runs. Decides none of them.

What an event leaves open its repository's server is asked for, each host in a lane of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog

from graph.errors import StoreBusy, TrackerError
from graph.record import dataclass
from rebuild.context.fault import ContextError
from rebuild.context.refs import is_of_host
from rebuild.context.where import Git
from rebuild.secrets.secret_reader import SecretUnavailable
from rebuild.sources.event import SourceEvent
from rebuild.sources.repositories import host_of
from rebuild.sources.wishes import Asked, Effect, in_doubt, lacks_default_branch, lacks_message
from rebuild.tasks.task import Task
from tracker.hooks.reading import read_events
from tracker.hooks.sender import HookSender
from tracker.metrics import EventResult, Metrics
from tracker.pulse import unheard
from tracker.sources.intake import SourceIntake
from tracker.watching.inbox import Box, Letter
from tracker.watching.letter_work import REST_S, Lane, LetterWork

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

    async def message_of(self, task: Task, context: Git, commit: str) -> str: ...


def as_it_stands(event: SourceEvent, commit: str) -> SourceEvent:
    """The event as a poll would have told it: events may come in any order, and what is there now counts.

    The paths of one push are not all that has changed since the last that was heard of.
    """
    if commit == event.commit:
        return replace(event, old_commit=None, paths=None)
    return replace(event, commit=commit, old_commit=None, message="", paths=None)


@dataclass(frozen=True, slots=True)
class _Mail:
    """A letter that was read. `host` is who knows more of it, empty where nobody is asked."""

    letter: Letter  # without its payload, which may be large
    host: str
    told: tuple[SourceEvent, ...]

    @property
    def lane(self) -> Lane:
        return (self.host,)

    @property
    def repositories(self) -> frozenset[str]:
        return frozenset(event.urls[0] for event in self.told)


class HookReceiver(LetterWork[HookSender, SourceEvent]):
    """Turns stored events into what tasks are asked to do, those of a host in the order of their coming."""

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

    async def _deal(self) -> float:
        mail = []
        for letter in self._inbox.oldest(LETTERS_MOST, but_not=self._left()):
            mail.append(self._opened(letter))
            self._beat()
            await asyncio.sleep(0)  # others have their turn between two large ones
        self._lane_of |= {one.letter.letter_id: one.lane for one in mail}
        self._lanes.start(self._group, mail, of=lambda one: one.lane, work=self._work_off)
        if self._inbox.holds_more_than(len(self._left())):
            return 0.0
        return self._pause_s()

    def _opened(self, letter: Letter) -> _Mail:
        told = self._read(letter)
        return _Mail(replace(letter, payload=b""), host_of(told[0].urls[0]) if told else "", told)

    async def _work_off(self, lane: Lane, mail: Sequence[_Mail]) -> None:
        """One after the other; then the host may have more."""
        silent: set[str] = set()
        for one in mail:
            number, pause_s = one.letter.letter_id, AGAIN_S
            try:
                is_done = await self._deal_with(one, silent)
            except StoreBusy as error:  # the letter is still there
                log.warning("cannot deal with events now", box=self.box, error=error.message)
                is_done, pause_s = False, REST_S
            if is_done:
                self._forget(number)
            else:
                self._wait(number, pause_s)
            self._beat()
        self.wake()

    async def _deal_with(self, mail: _Mail, silent: set[str]) -> bool:
        """Whether it is dealt with, and gone. `silent` are repositories, or the host, that have not answered
        just now."""
        if silent & {mail.host, *mail.repositories}:
            return False
        try:
            events = [await self._completed(event) for event in mail.told]
        except TrackerError as error:
            silent |= {mail.host} if _is_of_host(error) else mail.repositories
            if (self._now() - mail.letter.received_at).total_seconds() < ASKED_MOST_S:
                log.warning("event waits: its repository cannot be asked", error=error.message)
                return False
            log.error("event given up: its repository cannot be asked", error=error.message)
            events = []
        asked = self._intake.take(events, lambda _: self._inbox.remove([mail.letter]))
        self._count(mail.letter, asked)
        return True

    async def _completed(self, event: SourceEvent) -> SourceEvent:
        """With what the server of the repository has to tell, where the event alone is not enough."""
        for task, context in lacks_default_branch(self._sql, event)[:1]:
            event = replace(event, default_branch=await self._server.default_branch(task, context))
        for task, context in in_doubt(self._sql, event)[:1]:
            if event.full_ref is not None:
                event = as_it_stands(event, await self._server.commit_of(task, context, event.full_ref))
        for task, context in lacks_message(self._sql, event)[:1]:
            event = replace(event, message=await self._message(task, context, event.commit))
        return event

    async def _message(self, task: Task, context: Git, commit: str) -> str:
        """What cannot be found out keeps nobody from a run."""
        try:
            return await self._server.message_of(task, context, commit)
        except (ContextError, SecretUnavailable) as error:
            log.warning("cannot look into a commit", url=context.url, commit=commit, error=error.message)
            return ""

    def _told_by(self, sender: HookSender, letter: Letter) -> tuple[SourceEvent, ...]:
        return read_events(sender.provider, letter.payload, letter.headers)

    def _count(self, letter: Letter, asked: Iterable[Asked]) -> None:
        results = [_RESULTS[one.effect] for one in asked] or [EventResult.UNWATCHED]
        for result in results:
            self._metrics.events.labels(f"hooks/{letter.source}", result).inc()


def _is_of_host(error: TrackerError) -> bool:
    return isinstance(error, ContextError) and is_of_host(error)
