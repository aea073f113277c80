"""Keeps one known line out of the beginning of a stream. Knows neither engines nor logs."""

from __future__ import annotations

from rebuild.engines.engine import LogSink


class WithoutOpening:
    """Hands a stream on, without these bytes where it begins with them."""

    def __init__(self, opening: bytes, log: LogSink) -> None:
        self._opening = opening
        self._log = log
        self._held = b""
        self._is_over = False

    def __call__(self, piece: bytes) -> None:
        if self._is_over:
            self._log(piece)
            return
        self._held += piece
        if self._opening.startswith(self._held) and self._held != self._opening:
            return  # it may still become the line
        self._held = self._held.removeprefix(self._opening)
        self.finish()

    def finish(self) -> None:
        """Nothing follows, or what follows is no beginning any more."""
        self._is_over = True
        if self._held:
            self._log(self._held)
        self._held = b""
