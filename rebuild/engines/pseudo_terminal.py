"""A terminal that nobody looks at, for programs that tell how far they are on terminals alone."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable, Iterator

_ROWS, _COLUMNS = 50, 200  # a bar takes 80, beside its name
_PIECE_BYTES = 64 * 1024


@contextlib.contextmanager
def pseudo_terminal(hear: Callable[[bytes], None]) -> Iterator[int]:
    """The descriptor for a program to print on; `hear` gets what it prints, in the running loop.

    At the end what is still on its way is heard, and both sides are closed.
    """
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, lambda: _take(ours, hear))
    try:
        yield theirs
    finally:
        loop.remove_reader(ours)
        os.close(theirs)
        try:
            while _take(ours, hear):
                pass
        finally:
            os.close(ours)


def _take(ours: int, hear: Callable[[bytes], None]) -> bool:
    """Whether there was something."""
    try:
        piece = os.read(ours, _PIECE_BYTES)
    except OSError:  # nothing yet; EIO is how Linux says that nobody has the other side open
        return False
    if piece:
        hear(piece)
    return bool(piece)
