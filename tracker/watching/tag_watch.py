"""Asks for the tags of repositories in which bases follow newer ones, each registry at its own pace.

Compares none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from functools import partial

import structlog

from graph.database import immediate
from graph.errors import StoreBusy
from graph.following import Followings
from graph.observing import Watched
from graph.record import dataclass
from graph.reference import ImageRef
from graph.tag_lists import ListedRepository, TagLists
from rebuild.images.registry import RegistryError, TagList
from tracker.lanes import Lanes
from tracker.pulse import unheard
from tracker.registry import RegistryClient
from tracker.watching.intake import Intake
from tracker.watching.watch import Answer, Intervals, next_due

DUE_MOST = 100  # repositories that are taken up at once
AT_ONCE = 4  # of a registry: a list may have many pages, and answers about digests are wanted sooner
REST_S = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """What came of one question; `listed` is None where there was an error."""

    repository: ListedRepository
    at: datetime
    listed: TagList | None = None
    error: RegistryError | None = None

    @property
    def is_new(self) -> bool:
        """Whether the registry lists other tags than before."""
        known = self.repository.known
        return self.listed is not None and (known is None or known.tags != self.listed.tags)


class TagAsker:
    """Asks, and writes nothing."""

    def __init__(self, client: RegistryClient, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now

    async def ask_all(self, repositories: Sequence[ListedRepository]) -> AsyncGenerator[ListAnswer, None]:
        """Answers as they come; those of one registry wait for no other."""
        places = {repository.registry: asyncio.Semaphore(AT_ONCE) for repository in repositories}

        async def ask(repository: ListedRepository) -> ListAnswer:
            async with places[repository.registry]:
                return await self._ask(repository)

        asking = [asyncio.ensure_future(ask(repository)) for repository in repositories]
        try:
            for answer in asyncio.as_completed(asking):
                yield await answer
        finally:
            for one in asking:
                one.cancel()

    async def _ask(self, repository: ListedRepository) -> ListAnswer:
        at = self._now()  # before asking: a build that asks meanwhile knows more
        known = repository.known
        try:
            reference = ImageRef.parse(repository.name)
            listed = await self._client.list_tags(
                reference, known=TagList(known.tags, known.etag) if known else None
            )
        except RegistryError as error:
            return ListAnswer(repository, at, error=error)
        return ListAnswer(repository, at, listed)


class TagPoller:
    """The newest tags are found by the same intervals as what tags point to."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        asker: TagAsker,
        intake: Intake,
        intervals: Intervals,
        now: Callable[[], datetime],
        *,
        beat: Callable[[], None] = unheard,
    ) -> None:
        self._sql = connection
        self._asker = asker
        self._intake = intake
        self._intervals = intervals
        self._now = now
        self._beat = beat
        self._registries: Lanes[str] = Lanes(now)

    async def work(self) -> None:
        """Ask what is due until cancelled; no registry waits for the answers of another."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._beat()
                self._start_due(group)
                await asyncio.sleep(REST_S)

    async def ask_due(self) -> None:
        """Everything that is due now, once."""
        async with asyncio.TaskGroup() as group:
            self._start_due(group)

    def _start_due(self, group: asyncio.TaskGroup) -> None:
        """What is due of registries that are not being asked already."""
        due = TagLists(self._sql).due(self._now(), DUE_MOST, but_not_of=self._registries.closed)
        self._registries.start(group, due, of=lambda repository: repository.registry, work=self._ask_registry)

    async def _ask_registry(self, registry: str, due: Sequence[ListedRepository]) -> None:
        try:
            async with contextlib.aclosing(self.ask_now(due)) as answers:
                async for _ in answers:
                    self._beat()
        except StoreBusy as error:  # what was asked is still due
            log.warning("cannot note which tags registries list", error=error.message)
            return
        log.info("asked for tags", registry=registry, repositories=len(due))

    async def ask_now(self, repositories: Sequence[ListedRepository]) -> AsyncGenerator[ListAnswer, None]:
        """Answers as they come, each written down with the runs that it causes. Raises `StoreBusy`."""
        async with contextlib.aclosing(self._asker.ask_all(repositories)) as answers:
            async for answer in answers:
                changed = self._intake.note(partial(self._write, answer))
                _tell(answer, changed)
                yield answer

    def _write(self, answer: ListAnswer) -> int:
        TagLists(self._sql).schedule(answer.repository.name, due_after(answer, self._intervals))
        return note_listed(self._sql, answer)


def note_listed(connection: sqlite3.Connection, answer: ListAnswer) -> int:
    """Write an answer down; answers how many edges have another newest tag by it. Inside `immediate()`."""
    lists, name = TagLists(connection), answer.repository.name
    if answer.listed is None:
        lists.note_failure(name, answer.error.message if answer.error else "no answer")
        return 0
    if not lists.observe(name, answer.listed.tags, answer.listed.etag, answer.at):
        return 0
    return Followings(connection).compare(name, answer.listed.tags, answer.at)


def due_after(answer: ListAnswer, intervals: Intervals) -> datetime:
    """When to ask for the list again: as for a reference of the same registry."""
    watched = Watched(0, ImageRef.parse(answer.repository.name), failures=answer.repository.failures)
    return next_due(Answer(watched, answer.at, error=answer.error), intervals.unstretched)


def _tell(answer: ListAnswer, changed: int) -> None:
    if answer.error is not None:
        log.warning("no list of tags", repository=answer.repository.name, error=answer.error.message)
    elif changed:
        log.info("newer tags", repository=answer.repository.name, edges=changed)


async def ask_and_note(
    connection: sqlite3.Connection, asker: TagAsker, repositories: Sequence[ListedRepository]
) -> list[ListAnswer]:
    """Ask, and write down what comes; when to ask next stays as it is."""
    answers = []
    async with contextlib.aclosing(asker.ask_all(repositories)) as coming:
        async for answer in coming:
            with immediate(connection):
                note_listed(connection, answer)
            answers.append(answer)
    return answers
