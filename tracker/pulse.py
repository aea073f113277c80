"""Tells whether every part of the loop still moves. Knows when each last did, not what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import StrEnum

from graph.errors import TrackerError


class Part(StrEnum):
    """A part of the loop that has to go on for the service to be of use."""

    REBUILDER = "rebuilder"
    POLLER = "poller"
    RECEIVER = "receiver"
    HOOK_RECEIVER = "hook receiver"
    TIMERS = "timers"
    SOURCE_POLLER = "source poller"
    STATUS_TELLER = "status teller"
    COURIER = "courier"
    TAG_POLLER = "tag poller"


# All of them look around every few seconds, whoever they wait for meanwhile.
SILENT_MOST_S: Mapping[Part, float] = dict.fromkeys(Part, 60.0)


class Stuck(TrackerError):
    """A part of the loop has not moved for longer than it ever should."""


def unheard() -> None:
    """The beat of a part that nobody listens to."""


class Pulse:
    """When each part last moved. Counting begins when the pulse is made."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        silent_most_s: Mapping[Part, float] = SILENT_MOST_S,
    ) -> None:
        self._monotonic = monotonic
        self._silent_most_s = silent_most_s
        self._moved_at = dict.fromkeys(Part, monotonic())

    def beat(self, part: Part) -> None:
        """The part has just moved."""
        self._moved_at[part] = self._monotonic()

    def silent_s(self) -> dict[Part, float]:
        """Seconds since each part moved."""
        now = self._monotonic()
        return {part: now - moved_at for part, moved_at in self._moved_at.items()}

    def check(self) -> None:
        """Raises `Stuck`, which names the parts, unless all have moved lately."""
        late = {part: s for part, s in self.silent_s().items() if s > self._silent_most_s[part]}
        if late:
            told = ", ".join(
                f"the {part} has not moved for {silent_s:.0f} s" for part, silent_s in late.items()
            )
            raise Stuck(
                told, hint="restart the service: it goes on where it stopped; keep its log for the cause"
            )
