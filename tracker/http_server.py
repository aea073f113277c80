"""Runs the application on a socket that is opened before anything else starts. Knows no route."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tracker.api.auth import UNIX
from tracker.settings.written import ConfigError

HEAD_S = 20.0  # within which the line and the headers of a request have come
_PEER = struct.Struct("3i")  # pid, uid and gid of the other end: unix(7), SO_PEERCRED


def open_socket(listen: str) -> socket.socket:
    """Bind `host:port`; a port that is taken is the operator's to change."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, int(port)))
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigError(
            f"serve.listen: cannot listen on {listen}: {error}",
            hint="choose a free address of this machine, such as 127.0.0.1:8484",
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Where it listens: the port that the kernel chose, where the settings say 0."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if bound.family == socket.AF_INET6 else f"{host}:{port}"


@contextlib.contextmanager
def unix_socket(path: Path) -> Iterator[socket.socket]:
    """Bind a socket that the user and the group of the service may use; it is gone afterwards.

    What a killed service left there is taken away; whether another one lives there is known before.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(_folder_of(path))
            bound = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISSOCK(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode):
                    os.unlink(path.name, dir_fd=folder)
            # By its folder's descriptor: such an address has 107 bytes, and state folders may be deep.
            bound.bind(f"/proc/self/fd/{folder}/{path.name}")
            path.chmod(0o660)
        except OSError as error:
            raise ConfigError(
                f"serve.socket: cannot make the socket {path}: {error.strerror}",
                hint="name a place in a folder that the service may write",
            ) from error
        try:
            yield bound
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _folder_of(path: Path) -> Iterator[int]:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class PeerProtocol(HttpToolsProtocol):
    """Notes for a connection over a unix socket which user is at its other end.

    Hangs up on whoever does not come to the point: uvicorn waits for the head of a request for ever.
    """

    head_s = HEAD_S
    _due_s: float | None = None  # by the loop's clock, when the head that is awaited must have come
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        uid = _peer_uid(transport)
        if uid is not None:
            self.client = (UNIX, uid)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._due_s = None
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._due_s = None
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._due_s is None:
            self._due_s = self.loop.time() + self.head_s
        if self._watch is None:
            self._watch = self.loop.call_at(self._due_s, self._look)

    def _look(self) -> None:
        """One timer looks after many requests: one for each would cost an event a twentieth more."""
        self._watch = None
        if self._due_s is not None and self.loop.time() >= self._due_s:
            self.transport.close()
        elif self._due_s is not None:
            self._watch = self.loop.call_at(self._due_s, self._look)


def _peer_uid(transport: asyncio.Transport) -> int | None:
    found = transport.get_extra_info("socket")
    if found is None or found.family != socket.AF_UNIX:
        return None
    with socket.socket(fileno=os.dup(found.fileno())) as copy:
        credentials = copy.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    uid: int = _PEER.unpack(credentials)[1]
    return uid


class Server(uvicorn.Server):
    """uvicorn that says when it answers, without its signal handlers: the service has its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def http_server(app: ASGIApp) -> Server:
    return Server(
        uvicorn.Config(
            app,
            http=PeerProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
    )
