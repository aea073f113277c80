"""What a build of an image works with. Holds it together, and does nothing with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from graph.record import dataclass
from graph.reference import Platform
from rebuild.engines.engine import Engine
from rebuild.images.registry import Registry
from rebuild.images.resolve import Memory


@dataclass(frozen=True, slots=True)
class Tools:
    """What a build works with."""

    registry: Registry
    engine: Engine
    memory: Memory
    build_platform: Platform
    now: Callable[[], datetime]
