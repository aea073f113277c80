"""Clearing up ends before a cancellation goes on, however often somebody cancels."""

from __future__ import annotations

import asyncio

import pytest

from rebuild.uninterrupted import uninterrupted


@pytest.mark.anyio
async def test_the_answer_is_that_of_the_work() -> None:
    assert await uninterrupted(asyncio.sleep(0, "done")) == "done"


@pytest.mark.anyio
async def test_what_the_work_raises_is_raised() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await uninterrupted(fail())


@pytest.mark.anyio
async def test_cancellations_wait_for_the_end_of_the_work() -> None:
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        ended.set()

    task = asyncio.create_task(uninterrupted(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    waits = not task.done()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert waits
    assert ended.is_set()
