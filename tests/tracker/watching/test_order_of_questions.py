"""A round of questions: in which order is asked what is due, and what the log says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

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


async def a_round(folder: Path, client: Listening) -> None:
    """All bases of four images are due: `common` of three of them, `usual` of two, `rare` of one."""
    sample = Sample(State(folder), State(folder).write())
    for name, *bases in (["a", "rare"], ["b", "common"], ["c", "common", "usual"], ["d", "common", "usual"]):
        sample.build(f"{REGISTRY}/{name}:1", *(f"{REGISTRY}/{base}:1" for base in bases), hours=1)
    sample.sql.execute("UPDATE observations SET checked_at = NULL, due_at = '2026-01-01T00:00:00.000Z'")
    sample.sql.execute("DELETE FROM observations WHERE image_id NOT IN (SELECT base_id FROM edges)")
    metrics = Metrics()
    asker = Asker(client, metrics, now)  # type: ignore[arg-type]
    intervals = Intervals(300.0, {}, jitter=0.0)
    intake = Intake(sample.sql, Nobody(), metrics, intervals)

    await Poller(sample.sql, asker, intake, intervals, metrics, now).ask_due()
    sample.sql.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("left", "order"), [(PLENTY, ["rare", "common", "usual"]), (SCARCE, ["common", "usual", "rare"])]
)
async def test_what_more_images_stand_on_comes_first_once_pulls_are_scarce(
    tmp_path: Path, left: BudgetLeft, order: list[str]
) -> None:
    client = Listening(left)

    await a_round(tmp_path, client)

    assert client.asked == order


@pytest.mark.anyio
async def test_a_registry_that_is_down_has_one_line_in_the_log_however_much_is_watched_there(
    tmp_path: Path,
) -> None:
    with capture_logs() as lines:
        await a_round(tmp_path, Listening(PLENTY))

    assert [line for line in lines if line["log_level"] == "warning"] == [
        {
            "event": "no answer about references",
            "registry": REGISTRY,
            "result": "unavailable",
            "count": 3,
            "first": f"{REGISTRY}/rare:1",
            "error": "not today",
            "log_level": "warning",
        }
    ]
