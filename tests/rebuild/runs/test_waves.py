"""One look at the graph asks for the runs that may start, in a wave, and closes the waves that are over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from graph.database import immediate
from graph.staleness import Limits
from rebuild.runs.run import Outcome, write_down
from rebuild.runs.table import Cause, Run, Runs, Status
from rebuild.runs.waves import Enqueued, enqueue_due
from tests.graph_samples import HOST, Sample, diamond, index_of, with_moved_debian


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = with_moved_debian(diamond(tmp_path))
    made.observe("debian:12", index_of(amd64="debian, mended", arm64="debian on arm"), hours=5)
    yield made
    made.sql.close()


def look(sample: Sample, limits: Limits | None = None, *, later_s: float = 0.0) -> Enqueued:
    with immediate(sample.sql):
        at = sample.at + timedelta(seconds=later_s)
        return enqueue_due(sample.sql, at, limits or Limits(retry_delays_s=(60.0,)), workers=2)


def carry_out(sample: Sample, run: Run, status: Status = Status.SUCCEEDED) -> None:
    """The run ends; where it went well its image stands on what its bases hold now."""
    with immediate(sample.sql):
        Runs(sample.sql).claim(sample.at, "a process", run_id=run.run_id)
        Runs(sample.sql).finish(run, status, sample.at)
    if status is Status.SUCCEEDED:
        name = str(run.definition.images[0])
        bases = {
            f"{HOST}/base:1": ["debian:12"],
            f"{HOST}/img-b:1": [f"{HOST}/base:1"],
            f"{HOST}/img-c:1": [f"{HOST}/base:1"],
            f"{HOST}/img-d:1": [f"{HOST}/img-b:1", f"{HOST}/img-c:1"],
        }
        sample.build(name, *bases[name], hours=0)


def tasks_of(sample: Sample, enqueued: Enqueued) -> list[str]:
    names = dict(sample.sql.execute("SELECT id, name FROM tasks").fetchall())
    return [names[run.task_id] for run in enqueued.runs]


def test_a_diamond_is_one_wave_of_three_levels(sample: Sample) -> None:
    order: list[list[str]] = []
    waves: set[int | None] = set()
    while runs := (enqueued := look(sample)).runs:
        order.append(sorted(tasks_of(sample, enqueued)))
        waves |= {run.wave_id for run in runs}
        for run in runs:
            carry_out(sample, run)

    assert order == [["base"], ["img-b", "img-c"], ["img-d"]]
    assert len(waves) == 1


def test_a_wave_is_over_when_none_of_its_tasks_has_anything_left_to_do(sample: Sample) -> None:
    finished = []
    while runs := (enqueued := look(sample)).runs:
        finished += enqueued.finished
        for run in runs:
            carry_out(sample, run)
    finished += enqueued.finished

    assert [len(wave.tasks) for wave in finished] == [4]
    assert Runs(sample.sql).open_waves() == []


def test_looking_again_asks_for_nothing_twice(sample: Sample) -> None:
    first = look(sample)
    second = look(sample)

    assert (len(first.runs), len(second.runs)) == (1, 0)


def test_a_run_knows_what_moved_from_where_to_where_and_since_when(sample: Sample) -> None:
    (run,) = look(sample).runs
    (told,) = json.loads(sample.sql.execute("SELECT reason FROM runs").fetchone()[0])

    assert run.cause is Cause.BASE_IMAGE
    assert (told["base"], told["platform"]) == ("docker.io/library/debian:12", "linux/amd64")
    assert told["from"] != told["to"]
    assert Runs(sample.sql).stale_since(run) == [
        sample.ago(5).replace(microsecond=sample.at.microsecond // 1000 * 1000)
    ]


def test_what_stands_on_our_own_image_is_rebuilt_because_of_it(sample: Sample) -> None:
    (run,) = look(sample).runs
    carry_out(sample, run)

    assert {run.cause for run in look(sample).runs} == {Cause.UPSTREAM}


def test_after_a_failure_the_next_try_has_its_time_and_what_stands_on_it_waits(sample: Sample) -> None:
    (run,) = look(sample).runs
    carry_out(sample, run, Status.FAILED)

    at_once = look(sample)
    in_time = look(sample, later_s=61.0)

    assert at_once.runs == ()
    assert at_once.wake_at is not None
    assert tasks_of(sample, in_time) == ["base"]


def test_a_task_that_is_disabled_is_not_run(sample: Sample) -> None:
    with immediate(sample.sql):
        sample.sql.execute("UPDATE tasks SET enabled = 0 WHERE name = 'base'")

    assert look(sample).runs == ()


def test_a_name_of_an_earlier_run_asks_for_no_run_once_the_task_has_made_the_next(sample: Sample) -> None:
    task = sample.task("nightly")
    for run_id in ("n1", "n2"):
        sample.build(f"{HOST}/nightly:{run_id}", "debian:12", hours=60, task=task, run=run_id)
    sample.observe("debian:12", index_of(amd64="debian, again", arm64="debian on arm"), hours=1)

    [run] = [run for run in look(sample).runs if run.task_id == task.task_id]
    end(sample, run, f"{HOST}/nightly:n3")

    assert [run for run in look(sample).runs if run.task_id == task.task_id] == []
    kept = "SELECT count(*) FROM edges e JOIN images i ON i.id = e.image_id WHERE i.name LIKE '%/nightly:n_'"
    assert sample.sql.execute(kept).fetchone()[0] == 3


def test_a_run_that_did_another_thing_for_once_leaves_no_name_behind(sample: Sample) -> None:
    task = sample.task("nightly")
    sample.build(f"{HOST}/nightly:n1", "debian:12", hours=60, task=task, run="n1")
    sample.observe("debian:12", index_of(amd64="debian, again", arm64="debian on arm"), hours=1)
    other = replace(task.definition, context="/srv/another")
    with immediate(sample.sql):
        run = Runs(sample.sql).add(other, Cause.MANUAL, sample.at, task_id=task.task_id)

    end(sample, run, f"{HOST}/nightly:tried")

    decided = {run.task_id for run in look(sample).runs}
    assert task.task_id in decided


def end(sample: Sample, run: Run, made: str) -> None:
    """The run succeeds, and has made that image from the debian that there is now."""
    record = sample.built(made, "debian:12", hours=0)
    with immediate(sample.sql):
        Runs(sample.sql).claim(sample.at, "a process", run_id=run.run_id)
        write_down(sample.sql, run, Outcome(Status.SUCCEEDED, records=(record,)), sample.at)
