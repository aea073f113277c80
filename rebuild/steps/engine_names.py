"""What engines call images for one run alone, so that nothing of it is left. Knows no step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Coroutine, Iterator
from typing import Any

from rebuild.engines.engine import Engine


class EngineNames:
    """Filled as the run goes on."""

    def __init__(self) -> None:
        self._engines: dict[str | None, Engine] = {}
        self._names: dict[str | None, set[str]] = defaultdict(set)

    def add(self, engine: Engine, name: str) -> None:
        self._engines[engine.worker] = engine
        self._names[engine.worker].add(name)

    def removals(self) -> Iterator[Coroutine[Any, Any, None]]:
        """One for each engine: a worker that is away holds up no other."""
        return (self._engines[place].remove(*sorted(names)) for place, names in self._names.items())
