"""The bytes of a file that somebody wrote, as a text: bounded, and UTF-8. Opens nothing."""

from __future__ import annotations

from graph.errors import WrongUse

BYTES_MOST = 1 << 20


def written_text(content: bytes, *, path: str) -> str:
    """The text, without a byte order mark; read one byte more than `BYTES_MOST` to have too much refused.

    Raise `WrongUse`, with the line where there is one.
    """
    if len(content) > BYTES_MOST:
        raise WrongUse(
            f"{path!r} has more than {BYTES_MOST:,} bytes, which no task file has",
            hint="name a task file, or one with values for it",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise WrongUse(f"{path}:{line}: this is not UTF-8", hint="save the file as UTF-8") from None
