"""Two containers joined by a named pipe: what the first prints is read by the second. Plans none.

The bytes do not pass through this process. It holds the reading end, too, and so it sees when the first one
writes though nobody reads any more. The second one opens the pipe itself (`READ_PIPE`): what comes by its
engine's standard input is no way, for podman loses output of a container that does not read all of that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from graph.record import dataclass
from rebuild.engines.container import Containers
from rebuild.engines.engine import LogSink
from rebuild.process import TO_THE_LOG, Streams
from rebuild.uninterrupted import uninterrupted

PIPE_IN_CONTAINER = "/acb/input"
# Opened for both first, for otherwise it waits until somebody writes: he may have done so and gone by then.
READ_PIPE = f"exec 3<>{PIPE_IN_CONTAINER} <{PIPE_IN_CONTAINER} 3>&-"

_PIPE_BYTES_MOST = 1 << 20  # what Linux lets a pipe hold, unless root asks for more
_LINE_BYTES_MOST = 8192


@dataclass(frozen=True, slots=True)
class ContainerCall:
    """A planned `run` in the foreground."""

    argv: Sequence[str]
    name: str


@dataclass(frozen=True, slots=True)
class JoinedEnd:
    """The exit codes. `writer` is None where the first was ended because nobody read it any more."""

    writer: int | None
    reader: int

    @property
    def exit_code(self) -> int:
        """That of the last one that failed, as with the shell's pipefail."""
        return self.reader or self.writer or 0


async def run_joined(
    containers: Containers,
    writer: ContainerCall,
    reader: ContainerCall,
    log: LogSink,
    *,
    pipe: Path,
    timeout_s: float,
    streams: Callable[[int], Streams],
) -> JoinedEnd:
    """Run both side by side, to the end of both. Cancelling the call ends both.

    `streams` says what of the writer leads into the pipe, whose descriptor it is given. The reader comes to
    the end of its input when the writer has ended. A writer that writes on after the end of the reader is
    ended, as the shell's are. `pipe` is made, and removed at the end.
    """
    with _named_pipe(pipe) as (read, write, close_write):

        async def run(call: ContainerCall, leading: Streams) -> int:
            lines = WholeLines(log)
            try:
                return await containers.run(call.argv, call.name, lines, timeout_s=timeout_s, streams=leading)
            finally:
                lines.finish()

        writing = asyncio.create_task(run(writer, streams(write)))
        reading = asyncio.create_task(run(reader, TO_THE_LOG))
        try:
            await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                reading.result()  # one that did not come to run ends the other at once
                await _until_it_writes(writing, read)
            close_write()
            written = None if writing.cancelled() else writing.result()
            return JoinedEnd(written, await reading)
        finally:
            with _emptied(read):
                await uninterrupted(_ended(writing, reading))


class WholeLines:
    """Hands a stream on line by line, so that the lines of two streams stay whole, and secrets in them."""

    def __init__(self, log: LogSink) -> None:
        self._log = log
        self._begun = b""

    def __call__(self, piece: bytes) -> None:
        whole, end, self._begun = (self._begun + piece).rpartition(b"\n")
        if end:
            self._log(whole + end)
        if len(self._begun) > _LINE_BYTES_MOST:
            self.finish()

    def finish(self) -> None:
        """Nothing follows, or not before long."""
        if self._begun:
            self._log(self._begun)
        self._begun = b""


@contextlib.contextmanager
def _named_pipe(path: Path) -> Iterator[tuple[int, int, Callable[[], None]]]:
    """Both ends, open, and what closes the writing one."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    os.mkfifo(path)
    path.chmod(0o666)  # for whomever the container runs as; the folder around it is the run's alone
    with contextlib.ExitStack() as both, contextlib.ExitStack() as writing:
        both.callback(path.unlink)
        read = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        both.callback(os.close, read)
        write = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        writing.callback(os.close, write)
        yield read, write, writing.close


async def _until_it_writes(writing: asyncio.Task[int], read: int) -> None:
    """Wait for its end, or for bytes besides those that were in the pipe already: then end it."""
    more = asyncio.Event()
    with _emptied(read, more):
        more.clear()
        written = asyncio.create_task(more.wait())
        await asyncio.wait((writing, written), return_when=asyncio.FIRST_COMPLETED)
        written.cancel()
        if not writing.done():
            await _ended(writing)


@contextlib.contextmanager
def _emptied(read: int, more: asyncio.Event | None = None) -> Iterator[None]:
    """Read and forget what comes, what is there before anything else.

    An engine that waits for a full pipe does not hear of the end of its container, and cannot remove it.
    """
    loop = asyncio.get_running_loop()

    def forget() -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(read, _PIPE_BYTES_MOST):
                loop.remove_reader(read)  # the end, which would be told for ever
            elif more is not None:
                more.set()

    forget()
    loop.add_reader(read, forget)
    try:
        yield
    finally:
        loop.remove_reader(read)


async def _ended(*tasks: asyncio.Task[int]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
