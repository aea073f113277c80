"""Saves tasks whose files may be slow to come: who saves waits a while, and the reading goes on behind.

What was still being read when the service stops is not read again: the first run tells the bases then.
"""

from __future__ import annotations

import asyncio
import sqlite3

import structlog

from graph.clock import to_text
from graph.database import immediate
from graph.errors import TrackerError
from graph.expecting import Expectations
from rebuild.stored_task import Secrets, WholeTask
from rebuild.task import Task, Tasks
from rebuild.task_scan import Scanned
from tracker.api.v1.desk import Desk

WAIT_S = 20.0  # less than proxies wait for an answer
BEHIND_MOST = 8

log = structlog.get_logger()


class Scans:
    """Those that go on behind, by the name of their task."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._going: dict[str, asyncio.Task[Scanned]] = {}
        self._ends = set[asyncio.Task[None]]()

    def is_going(self, name: str) -> bool:
        return name in self._going

    async def save(self, wanted: WholeTask, secrets: Secrets, *, wait_s: float) -> tuple[Task, Scanned]:
        """The saved task, with its bases if they were found in time. Raises what `Archive.save` does."""
        archive = self._desk.archive
        scan = asyncio.create_task(archive.scan(wanted, secrets), name=f"scan of task {wanted.name}")
        try:
            in_time = bool((await asyncio.wait({scan}, timeout=wait_s))[0])
            scanned = scan.result() if in_time else self._unfinished()
            with immediate(self._desk.connection):
                task = archive.write(wanted, secrets, scanned)
        except BaseException:
            scan.cancel()
            raise
        if (before := self._going.pop(task.name, None)) is not None:
            before.cancel()  # the task is another one now
        if not in_time:
            self._leave(scan, task)
        return task, scanned

    def _unfinished(self) -> Scanned:
        if len(self._going) >= BEHIND_MOST:
            return Scanned(unknown=("its files are slow to come, and those of many others are, too",))
        return Scanned(unknown=("its files are still being fetched",))

    def _leave(self, scan: asyncio.Task[Scanned], task: Task) -> None:
        if len(self._going) >= BEHIND_MOST:
            scan.cancel()
            return
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
