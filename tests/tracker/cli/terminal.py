"""Runs the command on a pseudo-terminal of 80 columns, as a person's window does."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Sequence

_PROGRAM = "from tracker.cli.main import main; main()"


def shown(words: Sequence[str], **environment: str) -> str:
    """All that a terminal is sent, with plain line ends."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": "80", "TERM": "xterm", **environment}
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words], stdout=theirs, stderr=theirs, stdin=theirs, env=variables
    ):
        os.close(theirs)
        received = b"".join(_until_closed(ours))
    os.close(ours)
    return received.decode().replace("\r\n", "\n")


def _until_closed(terminal: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # EIO is how Linux says that the other side is closed
        while piece := os.read(terminal, 65536):
            yield piece
