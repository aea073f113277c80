"""Texts of this machine that go along with a request: files, and standard input. Bounded, and UTF-8."""

from __future__ import annotations

import sys
from pathlib import Path

from graph.errors import WrongUse
from rebuild.written_text import BYTES_MOST, written_text

STDIN = "-"


def name_of(file: str) -> str:
    """What messages about its lines call a file."""
    return "standard input" if file == STDIN else file


def text_here(name: str) -> str:
    """A file of this machine, or standard input, as it is now. Raises `WrongUse`."""
    try:
        content = _content(name)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise WrongUse(
            f"{name_of(name)!r} cannot be read: {reason}", hint="name a file here, or '-'"
        ) from None
    return written_text(content, path=name_of(name))


def _content(name: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read(BYTES_MOST + 1)
    with Path(name).open("rb") as file:
        return file.read(BYTES_MOST + 1)
