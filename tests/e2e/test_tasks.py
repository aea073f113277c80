"""Saved tasks on the real service: watched before they ran, run by whoever is there, canceled, left alone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from graph.reference import ImageRef
from tests.e2e.yard import Yard
from tests.real_service import RealService, processes_with


@pytest.fixture(scope="module")
def served(shared_yard: Yard) -> Iterator[RealService]:
    with shared_yard.service() as service:
        yield service.start()


def create(yard: Yard, service: RealService, name: str, *options: str) -> str:
    """A task that makes an image out of a base that is there; answers the image."""
    base = yard.shelf.push(f"{name}/base:1", "first")
    project = yard.project(f"FROM {base}\nCOPY f /f\n", f="text")
    image = yard.shelf.name(f"{name}/app:1")
    service.tracker("task", "create", "-n", name, "-c", project, "-f", "Dockerfile", "-t", image, *options)
    return image


def test_a_task_is_run_in_this_process_where_no_service_is(shared_yard: Yard) -> None:
    with shared_yard.service() as service:
        image = create(shared_yard, service, "here")

        done = service.tracker("task", "run", "-n", "here")

        assert done.stdout == f"{ImageRef.parse(image)}@{shared_yard.shelf.digest(image)}\n"
        assert "Run ID: a1 was successful after " in done.stderr
        (run,) = service.runs("here")
        assert (run.cause, run.status) == ("manual", "Succeeded")


def test_the_service_runs_a_task_while_the_command_follows(shared_yard: Yard, served: RealService) -> None:
    image = create(shared_yard, served, "there")

    done = served.tracker("task", "run", "-n", "there")

    assert done.stderr.startswith("Queued a run with ID: ")
    assert "was successful" in done.stderr
    assert done.stdout == f"{ImageRef.parse(image)}@{shared_yard.shelf.digest(image)}\n"


def test_a_run_that_fails_gives_its_status_to_the_command(shared_yard: Yard, served: RealService) -> None:
    create(shared_yard, served, "fails")

    other = shared_yard.project("FROM scratch\nCOPY nothing /nothing\n", f="text")
    done = served.tracker("task", "run", "-n", "fails", "-c", other, expect=1)

    assert "Run ID: " in done.stderr
    assert [run.status for run in served.runs("fails")] == ["Failed"]


def test_what_is_given_to_a_run_counts_for_it_alone(shared_yard: Yard, served: RealService) -> None:
    create(shared_yard, served, "once")
    before = served.read("task", "show", "-n", "once")

    served.tracker("task", "run", "-n", "once", "--arg", "A=1")

    assert served.read("task", "show", "-n", "once")["step"] == before["step"]
    (run,) = served.read("task", "list-runs", "-n", "once")
    told = served.query("SELECT definition FROM runs WHERE id = ?", run["run_id"])
    assert '"build_args": {"A": "1"}' in told[0][0]


def test_a_base_is_watched_before_the_first_run_and_starts_none(
    shared_yard: Yard, served: RealService
) -> None:
    create(shared_yard, served, "watched")
    base = shared_yard.shelf.name("watched/base:1")
    observed = (
        "SELECT count(*) FROM observation_history h JOIN images i ON i.id = h.image_id WHERE i.name = ?"
    )
    served.until(lambda: served.query(observed, base) == [(1,)], "the first look at the base")

    shared_yard.shelf.push("watched/base:1", "second")
    served.until(lambda: served.query(observed, base) == [(2,)], "the move of the base")
    served.until(served.is_idle, "the service to rest")

    assert served.runs("watched") == []


def test_a_task_that_follows_no_base_is_left_stale(shared_yard: Yard, served: RealService) -> None:
    image = create(shared_yard, served, "still", "--base-image-trigger-enabled", "false")
    served.tracker("task", "run", "-n", "still")

    base = shared_yard.shelf.push("still/base:1", "second")
    served.tracker("check", base)
    (stale,) = [found for found in served.read("stale") if found["reference"] == image]

    assert (stale["verdict"], stale["reason"]) == ("blocked", "unfollowed")
    assert [run.cause for run in served.runs("still")] == ["manual"]


@pytest.mark.parametrize("where", ["service", "command"])
def test_a_run_under_way_is_canceled_with_every_process_of_it(
    shared_yard: Yard, served: RealService, where: str
) -> None:
    with shared_yard.service() as alone:
        service = served if where == "service" else alone
        name = f"canceled-{where}"
        create(shared_yard, service, name)
        service.hook("before-build")
        try:
            waiting = service.launch("task", "run", "-n", name, log=f"{name}.log")
            service.wait_until_held()
            (run,) = service.runs(name)

            service.tracker("task", "cancel-run", "--run-id", run.run_id)

            assert waiting.wait(60) == 1
        finally:
            service.unhook("before-build")
        assert [run.status for run in service.runs(name)] == ["Canceled"]
        assert processes_with(f"scratch/{run.run_id}") == []
        assert not (service.state / "scratch" / run.run_id).exists()
        assert "was canceled" in service.tracker("task", "logs", "--run-id", run.run_id).stdout


def test_a_queued_run_is_canceled_at_once(shared_yard: Yard) -> None:
    with shared_yard.service() as service:
        create(shared_yard, service, "queued")
        queued = service.tracker("task", "run", "-n", "queued", "--no-wait")
        run_id = queued.stdout.strip()

        said = service.tracker("task", "cancel-run", "--run-id", run_id).stderr

        assert said == f"run {run_id} is canceled\n"
        assert [run.status for run in service.runs("queued")] == ["Canceled"]


def test_a_log_that_is_archived_outlives_the_others(shared_yard: Yard) -> None:
    with shared_yard.service({"TRACKER__REBUILD__KEEP_LOGS": "1h"}) as service:
        create(shared_yard, service, "archive")
        for _ in range(2):
            service.tracker("task", "run", "-n", "archive")
        kept, gone = (run.run_id for run in service.runs("archive"))
        service.tracker("task", "update-run", "--run-id", kept, "--no-archive", "false")
        old = time.time() - 7200
        for run_id in (kept, gone):
            os.utime(service.state / "logs" / f"{run_id}.log", (old, old))

        assert service.read("task", "show-run", "--run-id", kept)["archived"] is True
        assert service.read("task", "show-run", "--run-id", gone)["archived"] is False
