"""Saves tasks whose files may be slow to come: who saves waits a while, and the reading goes on behind.

What was still being read when the service stops is not read again: the first run tells the bases then.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import structlog

from graph.clock import to_text
from graph.database import immediate
from graph.errors import TrackerError
from graph.expecting import Expectations
from rebuild.tasks.stored_task import Secrets, WholeTask
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.task_scan import Scanned
from tracker.api.v1.desk import Desk
from tracker.tasks.apply import Outcome, apply
from tracker.tasks.declared import DeclaredTask
from tracker.tasks.saving import Draft

WAIT_S = 20.0  # less than proxies wait for an answer
BEHIND_MOST = 8
AT_ONCE_MOST = 4  # of one request

log = structlog.get_logger()


class Scans:
    """Those that go on behind, by the name of their task."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._going: dict[str, asyncio.Task[Scanned]] = {}
        self._ends = set[asyncio.Task[None]]()

    def is_going(self, name: str) -> bool:
        return name in self._going

    async def save(self, draft: Draft, *, wait_s: float) -> tuple[Task, Scanned]:
        """The saved task, with its bases if they were found in time. Raises what `Archive.save` does."""
        archive, sql = self._desk.archive, self._desk.connection
        wanted = draft.wanted(sql)
        async with self._begun({wanted.name: (wanted, draft.secrets)}, wait_s) as found:
            with immediate(sql):
                task = archive.write_draft(draft, wanted, found[wanted.name])
            return task, found[wanted.name]

    async def apply(self, declared: Sequence[DeclaredTask], *, prune: bool, wait_s: float) -> Outcome:
        """All of them, or none. Raises what `tracker.tasks.apply.apply` does."""
        async with contextlib.AsyncExitStack() as stack:

            async def scan_all(wanted: Sequence[DeclaredTask]) -> Mapping[str, Scanned]:
                tasks = {one.task.name: (one.task, one.secrets) for one in wanted}
                return await stack.enter_async_context(self._begun(tasks, wait_s))

            return await apply(
                self._desk.archive, self._desk.webhooks, declared, prune=prune, scan_all=scan_all
            )

    @contextlib.asynccontextmanager
    async def _begun(
        self, tasks: Mapping[str, tuple[WholeTask, Secrets]], wait_s: float
    ) -> AsyncIterator[Mapping[str, Scanned]]:
        """Scans of all of them, as far as they come in time. The others go on behind where the block ends
        well, by when their tasks have been saved."""
        turn = asyncio.Semaphore(AT_ONCE_MOST)

        async def scan(wanted: WholeTask, secrets: Secrets) -> Scanned:
            async with turn:
                return await self._desk.archive.scan(wanted, secrets)

        going = {
            name: asyncio.create_task(scan(*each), name=f"scan of task {name}")
            for name, each in tasks.items()
        }
        try:
            if going:
                await asyncio.wait(going.values(), timeout=wait_s, return_when=asyncio.FIRST_EXCEPTION)
            late = self._late(going)
            yield {
                name: one.result() if one.done() else self._unfinished(name in late)
                for name, one in going.items()
            }
        except BaseException:
            await _canceled(going.values())
            raise
        for name, one in going.items():
            if (before := self._going.pop(name, None)) is not None:
                before.cancel()  # the task is another one now
            if name in late:
                self._leave(one, Tasks(self._desk.connection).named(name))
        await _canceled(one for name, one in going.items() if name not in late)

    def _late(self, going: Mapping[str, asyncio.Task[Scanned]]) -> frozenset[str]:
        """Those that may go on behind. Raises what one of them found to be wrong."""
        for one in going.values():
            if one.done():
                one.result()
        unfinished = [name for name, one in going.items() if not one.done()]
        return frozenset(unfinished[: max(0, BEHIND_MOST - len(self._going))])

    def _unfinished(self, goes_on: bool) -> Scanned:
        if goes_on:
            return Scanned(unknown=("its files are still being fetched",))
        return Scanned(unknown=("its files are slow to come, and those of many others are, too",))

    def _leave(self, scan: asyncio.Task[Scanned], task: Task) -> None:
        self._going[task.name] = scan
        end = asyncio.create_task(self._end(scan, task))
        self._ends.add(end)
        end.add_done_callback(self._ends.discard)

    async def _end(self, scan: asyncio.Task[Scanned], task: Task) -> None:
        saved_at = to_text(self._desk.now())
        try:
            await asyncio.wait({scan})
            if scan.cancelled():
                return
            scanned = scan.result()
            with immediate(self._desk.connection):
                if self._is_wanted(task, saved_at):
                    at = self._desk.now()
                    Expectations(self._desk.connection).expect(task.task_id, scanned.bases, at)
            for reason in scanned.unknown:
                log.warning("bases of a task are not known yet", task=task.name, reason=reason)
        except (TrackerError, sqlite3.Error) as error:
            log.warning("a saved task cannot be scanned", task=task.name, error=str(error))
        finally:
            if self._going.get(task.name) is scan:
                del self._going[task.name]

    def _is_wanted(self, task: Task, saved_at: str) -> bool:
        """Not where the task is gone or another one, or a run of it has told its bases meanwhile."""
        if not Tasks(self._desk.connection).exists(task.name):
            return False
        told = self._desk.connection.execute(
            "SELECT 1 FROM runs WHERE task_id = ? AND finished_at >= ?", (task.task_id, saved_at)
        ).fetchone()
        now = Tasks(self._desk.connection).named(task.name)
        return told is None and (now.task_id, now.definition) == (task.task_id, task.definition)


async def _canceled(scans: Iterable[asyncio.Task[Scanned]]) -> None:
    going = [one for one in scans if not one.done()]
    for one in going:
        one.cancel()
    await asyncio.gather(*going, return_exceptions=True)
