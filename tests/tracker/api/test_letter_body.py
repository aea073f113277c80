"""Bodies of letters from whoever: bounded in time and all together, so that no stranger fills the memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import Any

import pytest
from starlette.requests import Request

from tracker.api import letter_body
from tracker.api.letter_body import Bodies, Refused

pytestmark = pytest.mark.anyio


class Caller:
    """Somebody whose body comes piece by piece, as a test says."""

    def __init__(self, pieces: Iterable[bytes] = (), *, ends: bool = True) -> None:
        self._pieces = [*pieces]
        self._ends = ends
        self.go_on = asyncio.Event()

    @property
    def request(self) -> Request:
        return Request({"type": "http", "method": "POST", "headers": []}, self._receive)

    async def _receive(self) -> dict[str, Any]:
        if self._pieces:
            return {"type": "http.request", "body": self._pieces.pop(0), "more_body": True}
        await self.go_on.wait()
        return {"type": "http.request", "body": b"", "more_body": not self._ends}


@pytest.fixture
async def slow() -> AsyncIterator[tuple[Caller, asyncio.Task[bytes], Bodies]]:
    """A caller that has sent half of the room that there is."""
    bodies, caller = Bodies(bytes_most=100), Caller([b"x" * 50])
    reading = asyncio.create_task(bodies.read(caller.request))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    yield caller, reading, bodies
    reading.cancel()


async def test_a_body_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letter_body, "BODY_MOST_S", 0.01)

    with pytest.raises(Refused, match="has not ended") as refused:
        await Bodies(bytes_most=100).read(Caller([b"{"]).request)

    assert refused.value.status is HTTPStatus.REQUEST_TIMEOUT
    assert refused.value.headers["Connection"] == "close"


async def test_all_bodies_together_have_a_bound(
    slow: tuple[Caller, asyncio.Task[bytes], Bodies], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_body, "HELD_BYTES_MOST", 80)
    first, reading, bodies = slow

    with pytest.raises(Refused, match="too many") as refused:
        await bodies.read(Caller([b"y" * 50]).request)
    first.go_on.set()

    assert refused.value.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert await reading == b"x" * 50


async def test_what_has_been_read_or_refused_makes_room_for_others(
    slow: tuple[Caller, asyncio.Task[bytes], Bodies], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_body, "HELD_BYTES_MOST", 80)
    first, reading, bodies = slow
    with pytest.raises(Refused):
        await bodies.read(Caller([b"y" * 50]).request)
    first.go_on.set()
    await reading

    next_one = Caller([b"z" * 70])
    next_one.go_on.set()

    assert await bodies.read(next_one.request) == b"z" * 70
