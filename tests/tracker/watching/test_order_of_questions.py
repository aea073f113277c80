"""In which order is asked what is due, where a registry grants little more and where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from graph.clock import now
from graph.reference import Digest, ImageRef
from rebuild.images.registry import RegistryUnavailable
from tests.graph_samples import Sample
from tracker.metrics import Metrics
from tracker.registry import BudgetLeft
from tracker.state import State
from tracker.watching.intake import Intake
from tracker.watching.poller import Poller
from tracker.watching.watch import Asker, Intervals

REGISTRY = "registry.example.com"
PLENTY, SCARCE = BudgetLeft(90, 100, 21600, 0.0), BudgetLeft(40, 100, 21600, 0.0)


class Listening:
    """A client that notes what it is asked about, and knows nothing."""

    def __init__(self, left: BudgetLeft) -> None:
        self.left = left
        self.asked: list[str] = []

    def prepare(self, references: object) -> None:
        """Nothing to prepare."""

    def budgets(self) -> Mapping[str, BudgetLeft]:
        return {REGISTRY: self.left}

    async def digest(self, reference: ImageRef, *, known: Digest | None = None) -> Digest:
        self.asked.append(reference.repository)
        raise RegistryUnavailable("not today")


class Nobody:
    """Nothing follows from what is found."""

    def look_within(self) -> None:
        """Nothing."""

    def start(self) -> None:
        """Nothing."""


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("left", "order"), [(PLENTY, ["rare", "common", "usual"]), (SCARCE, ["common", "usual", "rare"])]
)
async def test_what_more_images_stand_on_comes_first_once_pulls_are_scarce(
    tmp_path: Path, left: BudgetLeft, order: list[str]
) -> None:
    sample = Sample(State(tmp_path), State(tmp_path).write())
    for name, *bases in (["a", "rare"], ["b", "common"], ["c", "common", "usual"], ["d", "common", "usual"]):
        sample.build(f"{REGISTRY}/{name}:1", *(f"{REGISTRY}/{base}:1" for base in bases), hours=1)
    sample.sql.execute("UPDATE observations SET checked_at = NULL, due_at = '2026-01-01T00:00:00.000Z'")
    sample.sql.execute("DELETE FROM observations WHERE image_id NOT IN (SELECT base_id FROM edges)")
    client, metrics = Listening(left), Metrics()
    asker = Asker(client, metrics, now)  # type: ignore[arg-type]
    intervals = Intervals(300.0, {}, jitter=0.0)
    intake = Intake(sample.sql, Nobody(), metrics, intervals)

    await Poller(sample.sql, asker, intake, intervals, metrics, now).ask_due()
    sample.sql.close()

    assert client.asked == order
