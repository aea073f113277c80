"""Server-sent events out of a stream of lines. Knows nothing of what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from graph.record import dataclass

LINE_BYTES_MOST = 8 * 1024 * 1024


class Lines(Protocol):
    """What an answer of HTTP can do."""

    def readline(self, limit: int = -1, /) -> bytes: ...


class NoEvents(ValueError):
    """What came is no stream of events."""


@dataclass(frozen=True, slots=True)
class Event:
    """`event_id` is None where it has none of its own."""

    kind: str
    text: str
    event_id: str | None = None


def read_events(lines: Lines) -> Iterator[Event]:
    """Whole events only: one that breaks off comes again after the last id. Raises `NoEvents`."""
    kind, event_id, text = "message", None, list[str]()
    while line := lines.readline(LINE_BYTES_MOST):
        if not line.endswith(b"\n"):
            if len(line) >= LINE_BYTES_MOST:
                raise NoEvents(f"a line of more than {LINE_BYTES_MOST} bytes")
            return
        name, _, value = _decoded(line).partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                if text and not value:
                    yield Event(kind, "\n".join(text), event_id)
                    kind, event_id, text = "message", None, []
            case "event":
                kind = value
            case "data":
                text.append(value)
            case "id":
                event_id = value
            case _:  # fields that others may add are not ours
                continue


def _decoded(line: bytes) -> str:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise NoEvents("a line that is no UTF-8") from error
