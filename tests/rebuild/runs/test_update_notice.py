"""A base that makes a task run is told to the endpoint of its trigger, in the transaction of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.database import immediate
from graph.staleness import Limits
from rebuild.runs.outbox import Kind, Lane, Message, Outbox
from rebuild.runs.record import Cause
from rebuild.runs.table import Runs
from rebuild.runs.waves import enqueue_due
from rebuild.tasks.task import Tasks
from rebuild.tasks.triggers import BaseImageTrigger, Payload, Triggers
from tests.graph_samples import Sample, diamond, index_of, with_moved_debian

ENDPOINT = "https://deploy.example.com:8443/updates?for=base"


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = with_moved_debian(diamond(tmp_path))
    made.observe("debian:12", index_of(amd64="debian, mended", arm64="debian on arm"), hours=5)
    yield made
    made.sql.close()


def tell(sample: Sample, endpoint: str | None = ENDPOINT) -> int:
    """The endpoint of the task that stands on debian."""
    task_id = int(
        sample.sql.execute(
            "SELECT i.task_id FROM images i JOIN edges e ON e.image_id = i.id"
            " JOIN images b ON b.id = e.base_id"
            " WHERE b.name LIKE '%debian:12' AND i.task_id IS NOT NULL LIMIT 1"
        ).fetchone()[0]
    )
    with immediate(sample.sql):
        Triggers(sample.sql).set_base_image(
            task_id, BaseImageTrigger(endpoint=endpoint, payload=Payload.DEFAULT)
        )
    return task_id


def look(sample: Sample) -> list[Message]:
    with immediate(sample.sql):
        enqueue_due(sample.sql, sample.at, Limits(), workers=2)
    return Outbox(sample.sql).all(10)


def test_the_endpoint_is_told_which_base_moved(sample: Sample) -> None:
    task_id = tell(sample)

    (message,) = look(sample)

    (run_id,) = sample.sql.execute("SELECT id FROM runs WHERE task_id = ?", (task_id,)).fetchone()
    assert message.lane == Lane(Kind.UPDATE_TRIGGER, "deploy.example.com:8443")
    assert (message.task_id, message.body["runId"]) == (task_id, run_id)
    assert message.body["task"] == Tasks(sample.sql).get(task_id).name
    (image,) = message.body["images"]
    assert (image["registry"], image["repository"], image["tag"]) == ("docker.io", "library/debian", "12")
    assert image["digest"].startswith("sha256:")


def test_a_task_without_an_endpoint_tells_nobody(sample: Sample) -> None:
    tell(sample, None)

    assert look(sample) == []


def test_a_run_that_somebody_asked_for_is_no_update(sample: Sample) -> None:
    task_id = tell(sample)
    with immediate(sample.sql):
        definition = Tasks(sample.sql).get(task_id).definition
        Runs(sample.sql).add(replace(definition), Cause.MANUAL, sample.at, task_id=task_id)

    assert look(sample) == []


def test_what_waits_for_a_task_goes_with_it(sample: Sample) -> None:
    task_id = tell(sample)
    look(sample)
    with immediate(sample.sql):
        Tasks(sample.sql).delete(task_id)

    assert Outbox(sample.sql).all(10) == []


def test_a_transaction_that_is_undone_tells_nobody(sample: Sample) -> None:
    tell(sample)
    with pytest.raises(RuntimeError), immediate(sample.sql):
        enqueue_due(sample.sql, sample.at, Limits(), workers=2)
        raise RuntimeError("killed")

    assert Outbox(sample.sql).all(10) == []
    assert sample.sql.execute("SELECT count(*) FROM runs WHERE finished_at IS NULL").fetchone() == (0,)
