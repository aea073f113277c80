"""A commit whose run could not be carried out is tried again, until a newer one comes or a day is over."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from graph.database import immediate
from graph.errors import TrackerError, WrongUse
from graph.reference import Platform
from graph.staleness import Limits
from rebuild.images.tools import Tools
from rebuild.runs.definition import Definition, DockerStep, Revision
from rebuild.runs.equipment import Equipment
from rebuild.runs.logs import log_path
from rebuild.runs.owner import this_process
from rebuild.runs.run import Workplace, carry_out
from rebuild.runs.table import Cause, Run, Runs, Status
from rebuild.runs.waves import enqueue_due
from rebuild.sources.event import Happening, Provider, SourceEvent
from rebuild.sources.requests import at_revision
from rebuild.sources.wishes import ask_for
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.triggers import SourceTrigger, Triggers
from tests.graph_samples import Sample

A, B, C = (letter * 40 for letter in "abc")
URL = "https://github.com/example/web.git"
LIMITS = Limits(retry_delays_s=(30.0, 300.0, 7200.0))
DOWN = TrackerError("context: git says: the server answers 503")
REASON = [{"subject": "heads/main", "commit": B}]
SOON, LATER = timedelta(seconds=29), timedelta(seconds=30)


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    task(made, "web")
    yield made
    made.sql.close()


def task(sample: Sample, name: str) -> Task:
    definition = Definition(
        f"{URL}#main:{name}", DockerStep(images=(f"r.io/{name}:1",)), Platform.parse("linux/amd64")
    )
    with immediate(sample.sql):
        saved = Tasks(sample.sql).save(name, definition, sample.at)
        Triggers(sample.sql).set_source(saved.task_id, SourceTrigger(branch="main"))
    return saved


def push(sample: Sample, commit: str, before: str) -> None:
    event = SourceEvent(
        provider=Provider.GITHUB,
        delivery="d",
        urls=(URL,),
        happening=Happening.PUSH,
        ref="main",
        commit=commit,
        old_commit=before,
    )
    with immediate(sample.sql):
        ask_for(sample.sql, event, sample.at)


def at_commit(saved: Task) -> Definition:
    return at_revision(saved.definition, Revision(B, branch="main"))


def look(sample: Sample, at: datetime) -> tuple[list[str], int | None]:
    """The commits that get a run now, and in how many seconds to look again."""
    with immediate(sample.sql):
        enqueued = enqueue_due(sample.sql, at, LIMITS, workers=1)
    again_s = round((enqueued.wake_at - at).total_seconds()) if enqueued.wake_at else None
    return [run.definition.revision.commit for run in enqueued.runs if run.definition.revision], again_s


def claimed(sample: Sample, at: datetime) -> Run:
    with immediate(sample.sql):
        run = Runs(sample.sql).claim(at, this_process())
    assert run is not None
    return run


async def fail(sample: Sample, at: datetime, error: Exception = DOWN, run: Run | None = None) -> Run:
    """Carry out a run, the one that waits where none is named, which cannot even begin."""

    @contextlib.asynccontextmanager
    async def equip(run: Run, folder: Path) -> AsyncIterator[Equipment]:
        raise error
        yield Equipment(cast(Tools, None))

    run = run or claimed(sample, at)
    state, tools = sample.state, cast(Tools, None)
    await carry_out(
        run, Workplace(sample.sql, state.logs, state.scratch, tools, lambda: at, equip=equip, limits=LIMITS)
    )
    return run


@pytest.mark.anyio
async def test_a_commit_whose_run_could_not_be_carried_out_is_tried_again_in_time(sample: Sample) -> None:
    push(sample, B, A)
    look(sample, sample.at)

    run = await fail(sample, sample.at)

    assert Runs(sample.sql).get(run.run_id).status is Status.ERROR
    assert look(sample, sample.at + SOON) == ([], 1)
    assert look(sample, sample.at + LATER) == ([B], None)
    told = log_path(sample.state.logs, run.run_id).read_text().splitlines()[-1]
    assert "The commit is tried again at " in told


@pytest.mark.anyio
async def test_each_try_waits_longer_than_the_one_before(sample: Sample) -> None:
    push(sample, B, A)
    look(sample, sample.at)
    await fail(sample, sample.at)
    look(sample, sample.at + LATER)

    await fail(sample, sample.at + LATER)

    assert look(sample, sample.at + LATER) == ([], 300)


@pytest.mark.anyio
async def test_after_a_day_nobody_tries_it_again(sample: Sample) -> None:
    push(sample, B, A)
    look(sample, sample.at)

    await fail(sample, sample.at + timedelta(days=1, seconds=1))

    assert look(sample, sample.at + timedelta(days=3)) == ([], None)


@pytest.mark.anyio
async def test_a_newer_commit_is_built_at_once_and_in_place_of_the_one_that_waits(sample: Sample) -> None:
    push(sample, B, A)
    look(sample, sample.at)
    await fail(sample, sample.at)

    push(sample, C, B)

    assert look(sample, sample.at + SOON) == ([C], None)
    run = claimed(sample, sample.at)
    with immediate(sample.sql):
        Runs(sample.sql).finish(run, Status.SUCCEEDED, sample.at + SOON)
    assert look(sample, sample.at + LATER) == ([], None)


@pytest.mark.anyio
async def test_a_commit_that_is_itself_at_fault_is_not_tried_again(sample: Sample) -> None:
    push(sample, B, A)
    look(sample, sample.at)

    run = await fail(sample, sample.at, WrongUse("Dockerfile:1: unknown instruction"))

    assert Runs(sample.sql).get(run.run_id).status is Status.FAILED
    assert look(sample, sample.at + LATER) == ([], None)


@pytest.mark.anyio
async def test_a_branch_that_is_deleted_while_its_run_fails_is_let_go(sample: Sample) -> None:
    push(sample, B, A)
    look(sample, sample.at)
    run = claimed(sample, sample.at)
    push(sample, "", B)

    await fail(sample, sample.at, run=run)

    assert look(sample, sample.at + LATER) == ([], None)


@pytest.mark.anyio
async def test_what_somebody_asked_for_by_hand_is_not_tried_again(sample: Sample) -> None:
    web = Tasks(sample.sql).named("web")
    with immediate(sample.sql):
        Runs(sample.sql).add(web.definition, Cause.MANUAL, sample.at, task_id=web.task_id)

    await fail(sample, sample.at)

    assert look(sample, sample.at + LATER) == ([], None)


@pytest.mark.anyio
async def test_an_image_that_failed_before_its_base_is_still_built_after_it(sample: Sample) -> None:
    base, web = task(sample, "base"), Tasks(sample.sql).named("web")
    sample.build("r.io/base:1", hours=3, task=base)
    sample.build("r.io/web:1", "r.io/base:1", hours=2, task=web)
    with immediate(sample.sql):
        for each in (web, base):
            Runs(sample.sql).add(
                at_commit(each), Cause.COMMIT, sample.at, task_id=each.task_id, reason=REASON
            )
    await fail(sample, sample.at)
    await fail(sample, sample.at + SOON)

    first = look(sample, sample.at + LATER)

    assert first == ([B], None)
    assert claimed(sample, sample.at + LATER).task_id == base.task_id
