"""A queued run ends at once; one under way is ended by the process that carries it out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from graph.clock import now
from graph.database import immediate
from graph.errors import TrackerError
from graph.snapshot import read_snapshot
from graph.staleness import Limits, Reason, Verdict, decide
from rebuild.images.tools import Tools
from rebuild.runs.cancel import cancel_run, carry_out_unless_canceled
from rebuild.runs.equipment import Equipment
from rebuild.runs.logs import expire, log_path
from rebuild.runs.owner import this_process
from rebuild.runs.recovery import recover
from rebuild.runs.run import Outcome, Workplace
from rebuild.runs.table import Cause, Run, Runs, Status
from rebuild.runs.waves import enqueue_due, task_states
from tests.graph_samples import HOST, Sample, definition_of, diamond, index_of, with_moved_debian


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = diamond(tmp_path)
    yield made
    made.sql.close()


def cancel(sample: Sample, run: Run, at: datetime | None = None) -> Status:
    with immediate(sample.sql):
        return cancel_run(sample.sql, run.run_id, at or sample.at)


def status_of(sample: Sample, run: Run) -> Status:
    return Runs(sample.sql).get(run.run_id).status


def claimed(sample: Sample, owner: str) -> Run:
    runs = Runs(sample.sql)
    with immediate(sample.sql):
        asked = runs.add(definition_of("shop:1"), Cause.QUICK, sample.at)
        run = runs.claim(sample.at, owner, run_id=asked.run_id)
    assert run is not None
    return run


def test_a_queued_run_is_canceled_at_once(sample: Sample) -> None:
    run = sample.run(None, Status.QUEUED, hours=1, images=["shop:1"])

    assert cancel(sample, run) is Status.CANCELED
    assert status_of(sample, run) is Status.CANCELED


def test_a_run_under_way_is_left_to_its_process(sample: Sample) -> None:
    run = claimed(sample, this_process())

    assert cancel(sample, run) is Status.STARTED
    assert Runs(sample.sql).is_unwanted(run)
    assert status_of(sample, run) is Status.STARTED


def test_a_run_whose_process_is_gone_is_canceled_at_once(sample: Sample) -> None:
    run = claimed(sample, "another-boot:1:1")

    assert cancel(sample, run) is Status.CANCELED


def test_a_run_that_is_over_cannot_be_canceled(sample: Sample) -> None:
    run = sample.run(None, Status.FAILED, hours=1, images=["shop:1"])

    with pytest.raises(TrackerError, match=f"run {run.run_id} is over: it was Failed"):
        cancel(sample, run)


def test_a_process_that_dies_before_it_notices_leaves_the_run_canceled(sample: Sample) -> None:
    run = claimed(sample, this_process())
    cancel(sample, run)

    with immediate(sample.sql):
        recover(sample.sql, sample.at, alive=lambda owner: False)

    assert status_of(sample, run) is Status.CANCELED


def endless(sample: Sample, begun: asyncio.Event, ended: list[str]) -> Workplace:
    """A place where a run never gets what it needs."""

    @contextlib.asynccontextmanager
    async def equip(run: Run, folder: Path):  # type: ignore[no-untyped-def]
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(run.run_id)
        yield Equipment(cast(Tools, None))

    state = sample.state
    return Workplace(sample.sql, state.logs, state.scratch, cast(Tools, None), now, equip=equip)


@pytest.mark.anyio
async def test_work_ends_before_its_run_is_canceled(sample: Sample) -> None:
    run, begun, ended = claimed(sample, this_process()), asyncio.Event(), list[str]()
    work = asyncio.create_task(
        carry_out_unless_canceled(run, endless(sample, begun, ended), look_every_s=0.01)
    )
    await begun.wait()

    cancel(sample, run)
    outcome = await work

    assert outcome == Outcome(Status.CANCELED, "canceled on request")
    assert ended == [run.run_id]
    assert status_of(sample, run) is Status.CANCELED
    assert (
        log_path(sample.state.logs, run.run_id).read_text().endswith(f"Run ID: {run.run_id} was canceled\n")
    )


@pytest.mark.anyio
async def test_a_service_that_stops_ends_the_work_and_leaves_the_run_open(sample: Sample) -> None:
    run, begun, ended = claimed(sample, this_process()), asyncio.Event(), list[str]()
    work = asyncio.create_task(carry_out_unless_canceled(run, endless(sample, begun, ended)))
    await begun.wait()

    work.cancel()
    await asyncio.wait({work})

    assert work.cancelled()
    assert ended == [run.run_id]
    assert status_of(sample, run) is Status.RUNNING


def verdict_on_base(sample: Sample) -> tuple[Verdict, Reason]:
    snapshot = read_snapshot(sample.sql, task_states(sample.sql, sample.at))
    image_id = sample.sql.execute("SELECT id FROM images WHERE name = ?", (f"{HOST}/base:1",)).fetchone()[0]
    decision = decide(snapshot, sample.at, Limits())[image_id]
    return decision.verdict, decision.reason


def test_what_somebody_canceled_is_not_started_again_by_itself(sample: Sample) -> None:
    with_moved_debian(sample)
    with immediate(sample.sql):
        (run,) = enqueue_due(sample.sql, sample.at, Limits(), workers=1).runs

    cancel(sample, run)

    assert verdict_on_base(sample) == (Verdict.BLOCKED, Reason.CANCELED)


def test_a_base_that_moves_after_that_counts_again(sample: Sample) -> None:
    with_moved_debian(sample)
    with immediate(sample.sql):
        (run,) = enqueue_due(sample.sql, sample.at, Limits(), workers=1).runs
    cancel(sample, run, sample.ago(1))

    sample.observe("debian:12", index_of(amd64="debian, mended twice"), hours=0.5)

    assert verdict_on_base(sample) == (Verdict.REBUILD, Reason.BASE_MOVED)


def test_a_log_that_is_to_be_kept_outlives_the_others(sample: Sample) -> None:
    kept = sample.run(None, Status.SUCCEEDED, hours=1, images=["a:1"], log=b"kept\n")
    gone = sample.run(None, Status.SUCCEEDED, hours=1, images=["b:1"], log=b"gone\n")
    with immediate(sample.sql):
        Runs(sample.sql).set_archived(kept, archived=True)

    expire(sample.state.logs, before=now(), kept=Runs(sample.sql).archived())

    assert log_path(sample.state.logs, kept.run_id).exists()
    assert not log_path(sample.state.logs, gone.run_id).exists()
