"""Lanes: nobody waits for another, nobody has two at once, and no more are open than may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tracker.lanes import Lanes

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Hosts:
    """What is due is `HOST/NUMBER`. The host `stuck` takes what it is asked, and does not answer."""

    def __init__(self, *, most: int = 8) -> None:
        self.at = NOON
        self.lanes: Lanes[str] = Lanes(lambda: self.at, most=most)
        self.asked: list[str] = []
        self.speak = asyncio.Event()

    def start(self, group: asyncio.TaskGroup, *due: str) -> None:
        self.lanes.start(group, due, of=lambda item: item.partition("/")[0], work=self._work)

    async def ask(self, *due: str) -> None:
        async with asyncio.TaskGroup() as group:
            self.start(group, *due)

    async def _work(self, host: str, items: list[str]) -> None:
        self.asked += items
        if host.startswith("stuck"):
            await self.speak.wait()


@asynccontextmanager
async def looking(hosts: Hosts) -> AsyncIterator[asyncio.TaskGroup]:
    """A group whose end waits for nobody's answer."""
    async with asyncio.TaskGroup() as group:
        yield group
        hosts.speak.set()


async def test_what_is_due_at_one_host_is_worked_off_together() -> None:
    hosts = Hosts()

    await hosts.ask("a/1", "b/1", "a/2")

    assert hosts.asked == ["a/1", "a/2", "b/1"]


async def test_a_lane_that_is_taken_takes_nothing_more_up_and_others_go_on() -> None:
    hosts = Hosts()

    async with looking(hosts) as group:
        hosts.start(group, "stuck/1", "a/1")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        closed = hosts.lanes.closed
        hosts.start(group, "stuck/2", "a/2")
        await asyncio.sleep(0)

    assert closed == {"stuck"}
    assert hosts.asked == ["stuck/1", "a/1", "a/2"]


async def test_a_lane_opens_again_when_its_work_ends_whatever_the_end() -> None:
    hosts = Hosts()

    async def fail(_host: str, _items: list[str]) -> None:
        raise ValueError("no answer")

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            hosts.lanes.start(group, ["a/1"], of=lambda _: "a", work=fail)
    await hosts.ask("a/2")

    assert hosts.asked == ["a/2"]


async def test_no_more_lanes_are_taken_than_may_be_and_the_longest_due_comes_first() -> None:
    hosts = Hosts(most=2)

    async with looking(hosts) as group:
        hosts.start(group, "stuck1/1", "stuck2/1", "a/1")
        await asyncio.sleep(0)

    assert hosts.asked == ["stuck1/1", "stuck2/1"]


async def test_a_lane_rests_for_its_time_and_no_other_does() -> None:
    hosts = Hosts()
    hosts.lanes.rest("a", NOON + timedelta(seconds=60))

    await hosts.ask("a/1", "b/1")
    during = [*hosts.asked]
    hosts.at += timedelta(seconds=60)
    await hosts.ask("a/1")

    assert during == ["b/1"]
    assert hosts.asked == ["b/1", "a/1"]
