"""Texts of this machine that go along with a request: files, and standard input. Bounded, and UTF-8."""

from __future__ import annotations

import sys
from pathlib import Path

from graph.errors import WrongUse
from rebuild.tasks.task_edit import INLINE_BYTES_MOST

STDIN = "-"


def name_of(file: str) -> str:
    """What messages about its lines call a file."""
    return "standard input" if file == STDIN else file


def text_here(name: str) -> str:
    """A file of this machine, or standard input, as it is now. Raises `WrongUse`."""
    what = name_of(name) if name == STDIN else repr(name)
    try:
        text = _content(name, what).decode("utf-8-sig")
    except OSError as error:
        raise WrongUse(f"{what} cannot be read: {error.strerror}", hint="name a file here, or '-'") from None
    except ValueError:
        raise WrongUse(f"{what} is not UTF-8", hint="a task file is YAML in UTF-8") from None
    return text


def _content(name: str, what: str) -> bytes:
    if name == STDIN:
        content = sys.stdin.buffer.read(INLINE_BYTES_MOST + 1)
    else:
        with Path(name).open("rb") as file:
            content = file.read(INLINE_BYTES_MOST + 1)
    if len(content) > INLINE_BYTES_MOST:
        raise WrongUse(
            f"{what} has more than {INLINE_BYTES_MOST:,} bytes, which no task file has",
            hint="name a task file, or one with values for it",
        )
    return content
