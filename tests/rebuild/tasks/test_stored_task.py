"""A task with all that belongs to it: saved, read again, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.database import immediate
from graph.errors import TrackerError, WrongUse
from graph.staleness import Limits
from rebuild.runs.definition import DockerStep, FileStep, InlineStep
from rebuild.runs.table import Cause, Runs, Status
from rebuild.runs.waves import enqueue_due
from rebuild.secrets.secret_source import FromEnvironment
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from rebuild.tasks.schedule import Schedule
from rebuild.tasks.stored_task import StoredTasks, WholeTask, kinds_of_triggers, no_cipher
from rebuild.tasks.task import Tasks, UnknownTask
from rebuild.tasks.timers import Timer
from rebuild.tasks.triggers import BaseImageTrigger, Bases, SourceTrigger, Triggers
from tests.graph_samples import HOST, Sample, definition_of, diamond, single, with_moved_debian

WEB = WholeTask(
    "web",
    definition_of("localhost:5000/web:1"),
    enabled=False,
    base_images=BaseImageTrigger(bases=Bases.RUNTIME),
    source=SourceTrigger(branch="main"),
    timers=(Timer("nightly", Schedule.parse("0 4 * * *")),),
)
SECRETS = {SecretUse.BUILD: {"npm": FromEnvironment("NPM")}}


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = diamond(tmp_path)
    yield made
    made.sql.close()


@pytest.fixture
def stored(sample: Sample) -> StoredTasks:
    return StoredTasks(sample.sql, no_cipher)


def save(sample: Sample, stored: StoredTasks, whole: WholeTask = WEB) -> int:
    with immediate(sample.sql):
        return stored.save(whole, SECRETS, sample.at).task_id


def test_a_task_is_read_as_it_was_saved(sample: Sample, stored: StoredTasks) -> None:
    save(sample, stored)

    assert stored.whole(Tasks(sample.sql).named("web")) == WEB


@pytest.mark.parametrize(
    "step",
    [InlineStep("steps: []"), FileStep("acb.yaml"), DockerStep(images=("localhost:5000/x:{{.Run.ID}}",))],
)
def test_a_task_keeps_what_its_runs_have_made_when_it_is_updated(
    sample: Sample, stored: StoredTasks, step: DockerStep | FileStep | InlineStep
) -> None:
    """What it makes is not seen in such a definition."""
    whole = replace(WEB, enabled=True, definition=replace(WEB.definition, step=step))
    task_id = save(sample, stored, whole)
    sample.build("localhost:5000/x:a1", "debian:12", hours=2, task=Tasks(sample.sql).get(task_id))

    save(sample, stored, replace(whole, definition=replace(whole.definition, timeout_s=77.0)))
    sample.observe("debian:12", single("a newer debian"), hours=1)

    with immediate(sample.sql):
        enqueue_due(sample.sql, sample.at, Limits(), workers=1)
    assert Runs(sample.sql).queued_for(task_id)


def test_a_name_is_taken_once(sample: Sample, stored: StoredTasks) -> None:
    save(sample, stored)

    with pytest.raises(WrongUse, match="there is a task web already"), immediate(sample.sql):
        stored.create(WEB, {}, sample.at)


def test_secrets_of_which_nothing_is_said_stay(sample: Sample, stored: StoredTasks) -> None:
    task_id = save(sample, stored)
    with immediate(sample.sql):
        stored.save(WEB, {SecretUse.VALUE: {}}, sample.at)

    assert [one.name for one in TaskSecrets(sample.sql, no_cipher).list(task_id)] == ["npm"]


def test_the_usual_trigger_takes_no_row(sample: Sample, stored: StoredTasks) -> None:
    save(sample, stored)
    with immediate(sample.sql):
        stored.save(WholeTask("web", WEB.definition), {}, sample.at)

    assert sample.sql.execute("SELECT count(*) FROM base_image_triggers").fetchone() == (0,)


def test_a_deleted_task_leaves_its_images_and_runs(sample: Sample, stored: StoredTasks) -> None:
    task_id = save(sample, stored)
    run = sample.run(Tasks(sample.sql).named("web"), Status.SUCCEEDED, hours=1)
    sample.build("localhost:5000/web:1", "debian:12", hours=1, task=Tasks(sample.sql).named("web"))

    with immediate(sample.sql):
        stored.delete("web", sample.at)

    with pytest.raises(UnknownTask):
        Tasks(sample.sql).named("web")
    assert Runs(sample.sql).get(run.run_id).task_id is None
    left = "SELECT count(*) FROM edges e JOIN images i ON i.id = e.image_id WHERE i.name LIKE '%/web:1'"
    assert sample.sql.execute(left).fetchone() == (1,)
    for table in ("timers", "source_triggers", "base_image_triggers", "task_secrets"):
        rows = sample.sql.execute(f"SELECT count(*) FROM {table} WHERE task_id = ?", (task_id,))
        assert (table, rows.fetchone()) == (table, (0,))


def test_a_deleted_task_has_no_run_left_to_wait_for(sample: Sample, stored: StoredTasks) -> None:
    task_id = save(sample, stored)
    with immediate(sample.sql):
        run = Runs(sample.sql).add(WEB.definition, Cause.MANUAL, sample.at, task_id=task_id)
        stored.delete("web", sample.at)

    assert Runs(sample.sql).get(run.run_id).status is Status.CANCELED


def test_a_task_that_is_being_carried_out_is_not_deleted(sample: Sample, stored: StoredTasks) -> None:
    save(sample, stored)
    sample.run(Tasks(sample.sql).named("web"), Status.RUNNING, hours=1)

    with pytest.raises(TrackerError, match="task web is being carried out"), immediate(sample.sql):
        stored.delete("web", sample.at)


def test_kinds_of_triggers_are_those_that_are_switched_on() -> None:
    assert kinds_of_triggers(WEB) == "BASE_IMAGE, SOURCE, TIMER"
    off = WholeTask("web", WEB.definition, base_images=BaseImageTrigger(enabled=False))
    assert kinds_of_triggers(off) == ""


def test_a_task_whose_trigger_is_off_is_not_asked_to_follow(sample: Sample) -> None:
    with_moved_debian(sample)
    task = Tasks(sample.sql).named("base")
    with immediate(sample.sql):
        Triggers(sample.sql).set_base_image(task.task_id, BaseImageTrigger(enabled=False))
        enqueued = enqueue_due(sample.sql, sample.at, Limits(), workers=2)

    assert task.definition.images[0].registry == HOST
    assert enqueued.runs == ()
