"""Keeps apart those who are asked or told, so that one who does not answer delays no other. Asks nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterable
from datetime import datetime
from typing import Generic, TypeVar

LANES_MOST = 64

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


class Lanes(Generic[Key]):
    """One lane for each host, or whatever else may be slow: what is due there is worked off in it.

    A lane that is taken, or rests, takes nothing more up; what is due there stays so, and whoever looks
    for what is due leaves it out. `most` lanes are taken at once.
    """

    def __init__(self, now: Callable[[], datetime], *, most: int = LANES_MOST) -> None:
        self._now = now
        self._most = most
        self._taken: set[Key] = set()
        self._rests_until: dict[Key, datetime] = {}

    @property
    def closed(self) -> frozenset[Key]:
        """Those in which nothing can begin now."""
        at = self._now()
        self._rests_until = {key: until for key, until in self._rests_until.items() if until > at}
        return frozenset(self._taken | self._rests_until.keys())

    def rest(self, key: Key, until: datetime) -> None:
        """Take nothing up before then; what is under way goes on."""
        self._rests_until[key] = until

    def start(
        self,
        group: asyncio.TaskGroup,
        due: Iterable[Item],
        *,
        of: Callable[[Item], Key],
        work: Callable[[Key, list[Item]], Coroutine[None, None, None]],
    ) -> None:
        """Begin with what is due in lanes that are open, those first that come first in `due`."""
        waiting: dict[Key, list[Item]] = {}
        for item in due:
            waiting.setdefault(of(item), []).append(item)
        closed = self.closed
        for key, items in waiting.items():
            if key not in closed and len(self._taken) < self._most:
                self._taken.add(key)
                group.create_task(self._work_off(key, items, work))

    async def _work_off(
        self, key: Key, items: list[Item], work: Callable[[Key, list[Item]], Coroutine[None, None, None]]
    ) -> None:
        try:
            await work(key, items)
        finally:
            self._taken.discard(key)
