"""Sends a folder to a service while it is packed, or what comes in: nothing is written to the disk here."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.context.folder import Packed, pack
from rebuild.context.input import pass_on
from tracker.remote.client import BROKEN, Client, Unreachable, check

MIB = 1024 * 1024
TIMEOUT_S = 120.0
REDRAW_S = 0.1


@dataclass(frozen=True, slots=True)
class Sent:
    """What the service has now. `context` is what names it there."""

    context: str
    dockerfile: str | None  # the name of its copy in the context
    packed: Packed
    size: int


class _Broken(Exception):
    """The connection broke. No OSError: packing takes those for faults of the files."""


class _Body:
    """A body of unknown length, in the chunks of HTTP; counts and hashes what it sends."""

    def __init__(self, connection: http.client.HTTPConnection, bytes_most: int) -> None:
        self._connection = connection
        self._bytes_most = bytes_most
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> int:
        self.size += len(piece)
        if self.size > self._bytes_most:
            raise WrongUse(
                f"the context has more than {self._bytes_most // MIB} MiB, packed: the service takes no more",
                hint="leave out with .dockerignore what the build does not need",
            )
        if piece:
            self._hash.update(piece)
            try:
                self._connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            except OSError as error:
                raise _Broken(error) from error
        return len(piece)

    def end(self) -> str:
        self._connection.send(b"0\r\n\r\n")
        return self._hash.hexdigest()


class Progress:
    """How far the upload is, for a terminal: one line that is written over."""

    def __init__(self, draw: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._draw = draw
        self._clock = clock
        self._began_at = clock()
        self._drawn_at = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = self._clock()
        if now - self._drawn_at >= REDRAW_S:
            self._drawn_at = now
            self._draw(progress_line(done, total, now - self._began_at))


def progress_line(done: int, total: int, seconds: float) -> str:
    """`Sending 12.0 of 200.0 MiB, 6%, 24.0 MiB/s`; the bytes are those of the files."""
    rate = done / MIB / seconds if seconds > 0 else 0.0
    part = round(100 * done / total) if total else 100
    return f"Sending {done / MIB:.1f} of {total / MIB:.1f} MiB, {part}%, {rate:.1f} MiB/s"


def send_folder(
    client: Client,
    folder: Path,
    dockerfile: Path | None,
    progress: Callable[[int, int], None],
    *,
    bytes_most: int,
    kept: tuple[str, ...] = (),
) -> Sent:
    """Pack and upload at once; no ignore rule hides the files `kept`.

    Raises `WrongUse` for more than the service takes, `Unreachable`, what the service says, `ContextError`.
    """
    packed: list[Packed] = []
    context, size = _send(
        client,
        lambda body: packed.append(pack(folder, dockerfile, into=body, kept=kept, progress=progress)),
        bytes_most=bytes_most,
    )
    return Sent(context, packed[0].dockerfile, packed[0], size)


def send_input(client: Client, stdin: BinaryIO, *, bytes_most: int) -> str:
    """Upload a tar as it comes, or a Dockerfile alone as the tar that holds it; answers what names it there.

    Raises as `send_folder`.
    """
    return _send(client, lambda body: pass_on(stdin, body), bytes_most=bytes_most)[0]


def _send(client: Client, write: Callable[[_Body], None], *, bytes_most: int) -> tuple[str, int]:
    """The name of what was written, and its size."""
    connection = client.connection(TIMEOUT_S)
    try:
        body = _Body(connection, bytes_most)
        return _sent(client, connection, write, body), body.size
    except BROKEN as error:
        raise client.unreachable(error) from error
    finally:
        connection.close()


def _sent(
    client: Client,
    connection: http.client.HTTPConnection,
    write: Callable[[_Body], None],
    body: _Body,
) -> str:
    connection.putrequest("PUT", client.target("/contexts"))
    headers = {**client.authorization(), "Content-Type": "application/gzip", "Transfer-Encoding": "chunked"}
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    try:
        write(body)
        sha256 = body.end()
    except _Broken as broken:
        with contextlib.closing(connection.getresponse()) as answer:
            check(answer)  # it may have said why, before it hung up
        raise http.client.HTTPException(str(broken)) from broken
    with contextlib.closing(connection.getresponse()) as answer:
        check(answer)
        told = json.loads(answer.read(MIB))
    if told["sha256"] != sha256:
        raise Unreachable(f"{client.address} got other bytes than were sent", hint="try again")
    return str(told["context"])
