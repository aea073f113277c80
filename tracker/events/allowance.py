"""How many requests of one sender are taken. Counts; knows no sender and no clock."""

from __future__ import annotations

BURST_S = 10.0  # what a sender that was silent may send at once: as much as in this time


class Allowance:
    """A bucket that fills evenly; one sender's storm empties its own and nobody else's."""

    def __init__(self, per_minute: int) -> None:
        self._per_s = per_minute / 60
        self._most = max(1.0, self._per_s * BURST_S)
        self._left = self._most
        self._at_s = 0.0

    def take(self, now_s: float) -> float:
        """0 where one more may come, else how many seconds to wait for it."""
        self._left = min(self._most, self._left + max(0.0, now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._per_s
