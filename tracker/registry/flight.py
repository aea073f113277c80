"""Lets many callers wait for one piece of work. Knows nothing of what the work is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Flights(Generic[Key]):
    """Work under way, by what it is for. Who is cancelled while waiting does not end it for the others."""

    def __init__(self) -> None:
        self._under_way: dict[Key, asyncio.Task[None]] = {}

    async def join(
        self,
        key: Key,
        start: Callable[[], tuple[Iterable[Key], Coroutine[None, None, None]]],
    ) -> None:
        """Wait for the work that `key` is part of; `start` says which keys new work serves."""
        task = self._under_way.get(key)
        if task is None:
            keys, work = start()
            task = asyncio.create_task(work)
            served = {key, *keys}
            self._under_way |= dict.fromkeys(served, task)
            task.add_done_callback(lambda done: self._land(done, served))
        await asyncio.shield(task)

    async def close(self) -> None:
        for task in set(self._under_way.values()):
            task.cancel()

    def _land(self, task: asyncio.Task[None], served: set[Key]) -> None:
        for key in served:
            if self._under_way.get(key) is task:
                del self._under_way[key]
        if not task.cancelled():
            task.exception()  # every waiter may have been cancelled; asyncio complains of errors nobody saw
