"""A server that resets connections is a fault of the connection, whatever loop there is and however busy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import uvloop

from rebuild.http_client import HttpClient

TRIES = 40
RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)


@contextlib.contextmanager
def resetting() -> Iterator[str]:
    """The address of a server that resets every connection as soon as it has it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def reset_all() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_WHEN_CLOSED)
                    connection.close()

        thread = threading.Thread(target=reset_all)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def keep_busy(loop: asyncio.AbstractEventLoop) -> None:
    """From now on the loop looks at its sockets late."""
    time.sleep(0.005)
    loop.call_soon(keep_busy, loop)


async def asked_while_busy(url: str) -> list[Exception]:
    keep_busy(asyncio.get_running_loop())
    faults = []
    for _ in range(TRIES):
        async with HttpClient() as client:
            try:
                await client.post(url, content=b"x")
            except Exception as error:
                faults.append(error)
    return faults


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_connection_that_is_reset_at_once_is_a_fault_of_the_connection(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with resetting() as url, asyncio.Runner(loop_factory=loop) as runner:
        faults = runner.run(asked_while_busy(url))

    assert len(faults) == TRIES
    assert [error for error in faults if not isinstance(error, httpx.TransportError)] == []


def test_a_defect_is_not_taken_for_a_fault_of_the_connection() -> None:
    def defect(request: httpx.Request) -> httpx.Response:
        raise AttributeError("'NoneType' object has no attribute 'status'")

    async def ask() -> None:
        async with HttpClient(transport=httpx.MockTransport(defect)) as client:
            await client.get("http://example.com/")

    with pytest.raises(AttributeError):
        asyncio.run(ask())
