"""The API on a unix socket and a port of this machine, in a thread: a service without the rest of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from graph.clock import now
from graph.database import immediate
from rebuild.secrets.api_token import ApiTokens, Scope
from tests.tracker.api.desk import USUAL, ApiDesk, api_desk
from tracker.api.v1.app import PREFIX
from tracker.http_server import http_server, open_socket, unix_socket
from tracker.settings.settings import Settings
from tracker.state import State


@dataclass
class DeskService:
    """Where it answers, and a token for each scope."""

    socket: str = ""
    url: str = ""
    state: Path = Path()

    def token(self, *scopes: Scope) -> str:
        """The text of a new one."""
        with contextlib.closing(State(self.state).write()) as sql, immediate(sql):
            return ApiTokens(sql).create("-".join(scopes), scopes, now())[1].reveal()


@contextlib.contextmanager
def desk_service(folder: Path, settings: Settings = USUAL) -> Iterator[DeskService]:
    made, ready = DeskService(), threading.Event()
    faults: list[BaseException] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def serve() -> None:
        try:
            with api_desk(folder, settings) as desk:  # its connection belongs to this thread
                asyncio.run(_serve(desk, folder / "socket", made, ready, stop))
        except BaseException as error:
            faults.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        ready.wait()
        assert not faults, faults
        yield made
    finally:
        if stop:
            loop, event = stop[0]
            loop.call_soon_threadsafe(event.set)
        thread.join()
    assert not faults, faults


async def _serve(
    desk: ApiDesk,
    path: Path,
    made: DeskService,
    ready: threading.Event,
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]],
) -> None:
    app = FastAPI()
    app.mount(PREFIX, desk.app)
    server = http_server(app)
    end = asyncio.Event()
    with unix_socket(path) as local, open_socket("127.0.0.1:0") as bound:
        made.socket, made.url = f"unix:{path}", f"http://127.0.0.1:{bound.getsockname()[1]}"
        made.state = desk.desk.state.folder
        serving = asyncio.create_task(server.serve(sockets=[local, bound]))
        await server.answering.wait()
        stop.append((asyncio.get_running_loop(), end))
        ready.set()
        await end.wait()
        server.should_exit = True
        await serving
