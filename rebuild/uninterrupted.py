"""Clearing up that a cancellation must not cut short. Knows nothing of what is cleared."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


async def uninterrupted(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Carry the work out to its end; a cancellation that came meanwhile counts afterwards."""
    task = asyncio.ensure_future(work)
    canceled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            canceled = error
        except BaseException:
            break  # told by result()
    if canceled is not None:
        task.exception()  # looked at, so that it is not reported as forgotten
        raise canceled
    return task.result()
