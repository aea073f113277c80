"""The real server and callers that take their time: nobody holds a connection or a body open for ever."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from rebuild.secrets.api_token import Scope
from tests.tracker.api.desk import ApiDesk
from tracker.api import door
from tracker.api.v1.app import PREFIX
from tracker.http_server import PeerProtocol, http_server, open_socket

pytestmark = pytest.mark.anyio


@pytest.fixture
async def port(api: ApiDesk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(PeerProtocol, "head_s", 0.2)
    monkeypatch.setattr(door, "BODY_SILENCE_S", 0.2)
    app = FastAPI()
    app.mount(PREFIX, api.app)
    with contextlib.closing(open_socket("127.0.0.1:0")) as listening:
        server = http_server(app)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await server.answering.wait()
        yield listening.getsockname()[1]
        server.should_exit = True
        await serving


async def said(port: int, *pieces: bytes) -> bytes:
    """All that the server says to these pieces, until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def kept(api: ApiDesk) -> list[Path]:
    return list(api.desk.state.uploads.glob("*"))


def head(api: ApiDesk, method: str, path: str, *lines: str, scope: Scope = Scope.RUN) -> bytes:
    token = api.tokens[scope]
    first = [f"{method} {PREFIX}{path} HTTP/1.1", "Host: t", f"Authorization: Bearer {token}", *lines]
    return ("\r\n".join(first) + "\r\n\r\n").encode()


@pytest.mark.parametrize("piece", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: t\r\nX-Slow: "])
async def test_a_head_that_does_not_come_is_not_waited_for(port: int, piece: bytes) -> None:
    assert await said(port, piece) == b""


@pytest.mark.parametrize(("method", "path"), [("POST", "/runs"), ("PUT", "/contexts")])
async def test_a_body_that_stops_is_refused_and_leaves_nothing(
    api: ApiDesk, port: int, method: str, path: str
) -> None:
    lines = ("Content-Type: application/json", "Content-Length: 1000")

    answer = await said(port, head(api, method, path, *lines), b'{"context":')

    status, _, body = answer.partition(b"\r\n")
    assert b"408" in status
    assert "nothing of the body" in json.loads(body.rpartition(b"\r\n\r\n")[2])["error"]
    assert kept(api) == []


async def test_a_stream_outlives_the_time_that_a_body_has(api: ApiDesk, port: int) -> None:
    run_id = await api.run()
    asked = head(api, "GET", f"/runs/{run_id}/log/stream", scope=Scope.READ)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)

    await asyncio.sleep(1.0)
    api.start(run_id)
    api.log(run_id).parent.mkdir(exist_ok=True)
    api.log(run_id).write_bytes(b"at work\n")
    api.finish(run_id)
    told = await reader.readuntil(b"event: end")
    writer.close()

    assert b"at work" in told


async def test_a_caller_that_asks_again_on_the_same_connection_is_served(api: ApiDesk, port: int) -> None:
    request = head(api, "GET", "/service")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    for _ in range(3):
        writer.write(request)
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.15)
    writer.close()
