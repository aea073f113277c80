"""What the log says of runs: enough for whoever reads it at night, without the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from graph.staleness import Limits
from graph.store import GraphStore
from rebuild.engines.engine import Engine
from rebuild.images.memory import GraphMemory
from rebuild.images.tools import Tools
from rebuild.runs.run import Outcome, Workplace
from rebuild.runs.table import Cause, Status
from tests.graph_samples import AMD64, Sample, diamond, with_moved_debian
from tracker.metrics import Metrics
from tracker.rebuilder import Rebuilder, Rules
from tracker.registry import RegistryClient


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = with_moved_debian(diamond(tmp_path / "state"))
    yield made
    made.sql.close()


class Listening(Metrics):
    """Metrics that tell when a run is over."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    def run_finished(self, cause: Cause, status: Status, duration_s: float) -> None:
        super().run_finished(cause, status, duration_s)
        self.ended.set()


def rebuilder_of(sample: Sample, metrics: Metrics) -> Rebuilder:
    logs, scratch = sample.state.logs, sample.state.scratch
    memory, no_engine = GraphMemory(GraphStore(sample.sql)), cast(Engine, None)
    tools = Tools(RegistryClient(), no_engine, memory, AMD64, now=lambda: sample.at)
    place = Workplace(sample.sql, logs, scratch, tools, now=lambda: sample.at)
    return Rebuilder(place, Rules(Limits(), workers=1), metrics, lambda: sample.at)


async def lines_of_one_run(sample: Sample) -> dict[str, Mapping[str, Any]]:
    """The lines by event, of a rebuild that fails because the folder of its task does not exist."""
    metrics = Listening()
    rebuilder = rebuilder_of(sample, metrics)
    with capture_logs() as lines:
        working = asyncio.create_task(rebuilder.work())
        await metrics.ended.wait()
        working.cancel()
        await asyncio.wait([working])
    return {line["event"]: line for line in lines}


@pytest.mark.anyio
async def test_a_run_that_is_queued_says_of_which_task_it_is_and_what_moved(sample: Sample) -> None:
    queued = (await lines_of_one_run(sample))["run queued"]

    assert (queued["run"], queued["task"], queued["cause"]) == ("a1", "base", "base-image")
    assert queued["why"].startswith("debian:12 (linux/amd64) moved, ")


@pytest.mark.anyio
async def test_a_run_that_failed_says_of_which_task_it_was_with_the_way_out(sample: Sample) -> None:
    finished = (await lines_of_one_run(sample))["run finished"]

    assert (finished["task"], finished["log_level"]) == ("base", "error")
    assert "/srv/app" in finished["error"]
    assert finished["hint"]


def test_a_run_that_somebody_canceled_is_no_error(sample: Sample) -> None:
    run = sample.run(None, Status.CANCELED, hours=1)

    with capture_logs() as lines:
        rebuilder_of(sample, Metrics())._report(run, Outcome(Status.CANCELED, "canceled on request"))

    assert [line["log_level"] for line in lines] == ["info"]
