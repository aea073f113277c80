"""The log of a run on a terminal, and below it one line that tells how far a push is. Knows no run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from rebuild.engines.push_progress import PushSeen, TellPush

MIB = 1024 * 1024
REDRAW_S = 0.1
_CLEAR = b"\r\x1b[K"


class Terminal:
    """Standard error of a command. The line is drawn where a person sees it, and never in a file."""

    def __init__(
        self, stream: BinaryIO, *, is_seen: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._is_seen = is_seen
        self._clock = clock
        self._drawn_at: float | None = None  # None: there is no line

    @classmethod
    def of_command(cls) -> Terminal:
        return cls(sys.stderr.buffer, is_seen=sys.stderr.isatty())

    @property
    def on_push(self) -> TellPush | None:
        return self._draw if self._is_seen else None

    def hear(self, piece: bytes) -> None:
        """The log, byte for byte, beside the data that a command prints."""
        self._clear()
        self._stream.write(piece)
        self._stream.flush()

    def _draw(self, seen: PushSeen | None) -> None:
        now = self._clock()
        if seen is None:
            self._clear()
        elif self._drawn_at is None or now - self._drawn_at >= REDRAW_S:
            self._drawn_at = now
            self._stream.write(_CLEAR + push_line(seen).encode())
            self._stream.flush()

    def _clear(self) -> None:
        if self._drawn_at is not None:
            self._stream.write(_CLEAR)
            self._stream.flush()
        self._drawn_at = None


def push_line(seen: PushSeen) -> str:
    """`Pushing shop:1, 2 of 3 layers, 12.0 of 40.0 MiB`; the bytes are those of layers that have begun."""
    name = str(seen.to).rpartition("/")[2][:24]  # a wrapped line cannot be drawn over
    text = f"Pushing {name}, {seen.layers_done} of {seen.layers} layers"
    if seen.bytes:
        text += f", {seen.bytes_done / MIB:.1f} of {seen.bytes / MIB:.1f} MiB"
    return text
