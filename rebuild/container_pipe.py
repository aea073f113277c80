"""Two containers joined by a pipe of the machine's: what the first prints is read by the second. Plans none.

The bytes do not pass through this process. It holds the reading end, too, and so it sees when the first one
writes though nobody reads any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rebuild.container import Containers
from rebuild.engine import LogSink
from rebuild.process import Streams
from rebuild.uninterrupted import uninterrupted

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
    timeout_s: float,
    streams: Callable[[int], Streams],
) -> JoinedEnd:
    """Run both side by side, to the end of both. Cancelling the call ends both.

    `streams` says what of the writer leads into the pipe, whose descriptor it is given. The reader comes to
    the end of its input when the writer has ended. A writer that writes on after the end of the reader is
    ended, as the shell's are.
    """
    with _pipe() as (read, write, close_write):

        async def run(call: ContainerCall, leading: Streams) -> int:
            lines = WholeLines(log)
            try:
                return await containers.run(call.argv, call.name, lines, timeout_s=timeout_s, streams=leading)
            finally:
                lines.finish()

        writing = asyncio.create_task(run(writer, streams(write)))
        reading = asyncio.create_task(run(reader, Streams(stdin=read)))
        try:
            await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                reading.result()  # one that did not come to run ends the other at once
                await _until_it_writes(writing, read)
            close_write()
            written = None if writing.cancelled() else writing.result()
            return JoinedEnd(written, await reading)
        finally:
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
def _pipe() -> Iterator[tuple[int, int, Callable[[], None]]]:
    read, write = os.pipe()
    with contextlib.ExitStack() as writing:
        writing.callback(os.close, write)
        try:
            yield read, write, writing.close
        finally:
            os.close(read)


async def _until_it_writes(writing: asyncio.Task[int], read: int) -> None:
    """Wait for its end, or for bytes besides those that were in the pipe already: then end it."""
    os.set_blocking(read, False)
    with contextlib.suppress(BlockingIOError):
        os.read(read, _PIPE_BYTES_MOST)
    loop, more = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(read, more.set)
    written = asyncio.create_task(more.wait())
    try:
        await asyncio.wait((writing, written), return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            await _ended(writing)
    finally:
        loop.remove_reader(read)
        written.cancel()


async def _ended(*tasks: asyncio.Task[int]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
