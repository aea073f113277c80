"""Works off one box of letters, whenever something has come; what waits for one host delays no other.

What letters mean is for those made after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import structlog

from graph.errors import StoreBusy
from tracker.events.push import BadEvent
from tracker.lanes import Lanes
from tracker.pulse import unheard
from tracker.watching.inbox import Box, Inbox, Letter

IDLE_S = 10.0  # where nothing comes, how often to look and to show that we could
REST_S = 1.0  # the pause where another process holds the database

Lane = tuple[str, ...]  # the hosts that are asked about a letter; none where nobody is
Sender = TypeVar("Sender")
Told = TypeVar("Told")

log = structlog.get_logger()


class LetterWork(ABC, Generic[Sender, Told]):
    """Deals with stored letters until cancelled; what a killed process left behind comes first."""

    box: Box

    def __init__(
        self,
        connection: sqlite3.Connection,
        senders: Mapping[str, Sender],
        *,
        now: Callable[[], datetime],
        beat: Callable[[], None] = unheard,
    ) -> None:
        self._sql = connection
        self._inbox = Inbox(connection, self.box)
        self._senders = senders
        self._now = now
        self._beat = beat
        self._arrived = asyncio.Event()
        self._lanes: Lanes[Lane] = Lanes(now)
        self._lane_of: dict[int, Lane] = {}  # by the numbers of letters that were read and are still there
        self._again_at: dict[int, datetime] = {}  # of those that wait
        self._group = asyncio.TaskGroup()

    def wake(self) -> None:
        """Something was put into the box."""
        self._arrived.set()

    async def work(self) -> None:
        """Batch after batch."""
        async with asyncio.TaskGroup() as self._group:
            await self._work()

    async def _work(self) -> None:
        while True:
            self._beat()
            self._arrived.clear()
            try:
                pause_s = await self._deal()
            except StoreBusy as error:  # the letters are still there
                log.warning("cannot deal with events now", box=self.box, error=error.message)
                pause_s = REST_S
            await asyncio.sleep(self._gather_s())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._arrived.wait()

    def _left(self) -> set[int]:
        """The letters that nothing is done about now: their hosts are being asked, or were a moment ago."""
        at, closed = self._now(), self._lanes.closed
        self._again_at = {letter: due_at for letter, due_at in self._again_at.items() if due_at > at}
        return self._again_at.keys() | {letter for letter, lane in self._lane_of.items() if lane in closed}

    def _pause_s(self) -> float:
        """How long until one of the letters that wait is to be looked at again."""
        again_s = ((at - self._now()).total_seconds() for at in self._again_at.values())
        return max(0.0, min(again_s, default=IDLE_S))

    def _wait(self, letter: int, wait_s: float) -> None:
        self._again_at[letter] = self._now() + timedelta(seconds=wait_s)

    def _forget(self, letter: int) -> None:
        """It is dealt with, and gone."""
        self._lane_of.pop(letter, None)
        self._again_at.pop(letter, None)

    def _read(self, letter: Letter) -> tuple[Told, ...]:
        """What a letter tells; nothing where the settings are others than when it was stored."""
        sender = self._senders.get(letter.source)
        if sender is None:
            log.warning("event of a sender that the settings no longer have", source=letter.source)
            return ()
        try:
            return self._told_by(sender, letter)
        except BadEvent as error:
            log.warning("event not understood", source=letter.source, error=error.message)
            return ()

    def _gather_s(self) -> float:
        """How long to let letters come in after a batch, so that the next are dealt with together."""
        return 0.0

    @abstractmethod
    async def _deal(self) -> float:
        """Deal with the oldest letters; answers in how many seconds to look again. Raises `StoreBusy`."""

    @abstractmethod
    def _told_by(self, sender: Sender, letter: Letter) -> tuple[Told, ...]:
        """Raises `BadEvent`."""
