"""When the service clears the storage of its engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from rebuild.engine import EngineError, Pruned
from tracker.upkeep import CACHE_KEPT_S, CLEAR_EVERY_S, EngineStorage

pytestmark = pytest.mark.anyio


@dataclass
class Engine:
    """Answers `prune` with what stands in `answers`, the last one for ever."""

    answers: list[Pruned | EngineError]
    asked_s: list[float] = field(default_factory=list)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    async def prune(self, *, older_than_s: float) -> Pruned:
        self.asked_s.append(older_than_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def storage(self) -> EngineStorage:
        return EngineStorage(self.prune, lambda: self.now)


async def test_a_storage_is_cleared_once_a_day() -> None:
    engine = Engine([Pruned(3)])
    storage = engine.storage()

    for _ in range(48):
        await storage.clear()
        engine.now += timedelta(seconds=CLEAR_EVERY_S / 24)

    assert engine.asked_s == [CACHE_KEPT_S, CACHE_KEPT_S]


@pytest.mark.parametrize("hindrance", [Pruned(0, "a build is running"), EngineError("podman is gone")])
async def test_a_storage_that_could_not_be_cleared_is_tried_at_the_next_call(
    hindrance: Pruned | EngineError,
) -> None:
    engine = Engine([hindrance, Pruned(1)])
    storage = engine.storage()

    for _ in range(3):
        await storage.clear()

    assert len(engine.asked_s) == 2
