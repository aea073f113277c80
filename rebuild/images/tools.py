"""What a build of an image works with. Holds it together, and does nothing with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from graph.record import dataclass
from graph.reference import Platform
from rebuild.engines.engine import Engine
from rebuild.images.registry import Registry
from rebuild.images.resolve import Memory

if TYPE_CHECKING:  # loaded only where the settings name a worker
    from rebuild.engines.workers import Dress, Workers


@dataclass(frozen=True, slots=True)
class Tools:
    """What a build works with."""

    registry: Registry
    engine: Engine
    memory: Memory
    build_platform: Platform
    now: Callable[[], datetime]
    workers: Workers | None = None  # other machines, for platforms that this one does not run by itself

    def dressed(self, dress: Dress) -> Tools:
        """The same, whose engines get what `dress` gives them, those of workers when they are opened."""
        workers = self.workers and self.workers.dressed(dress)
        return replace(self, engine=dress(self.engine), workers=workers)
