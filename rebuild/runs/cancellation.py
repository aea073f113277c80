"""How the wish to end a run reaches those who carry it out. Ends nothing itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import field

from graph.record import dataclass


@dataclass(slots=True)
class Cancellation:
    """Of one run. Who does not await it is cancelled as a task is, at once."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    is_awaited: bool = False

    @contextlib.contextmanager
    def awaited(self) -> Iterator[asyncio.Event]:
        """Within the block the run ends by itself when the event is set: it has last steps to carry out."""
        self.is_awaited = True
        try:
            yield self.asked
        finally:
            self.is_awaited = False
