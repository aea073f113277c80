"""Timers on the real service: found in the database whoever wrote them, and served once, come what may."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pytest

from graph.clock import now, to_text
from graph.database import immediate
from tests.e2e.yard import NO_POLL, Yard
from tests.real_service import RealService


@pytest.fixture
def service(shared_yard: Yard) -> Iterator[RealService]:
    with shared_yard.service(NO_POLL) as made:
        yield made


def create(yard: Yard, service: RealService, name: str) -> None:
    """A task with a timer that will not be due while the test lasts."""
    project = yard.project("FROM scratch\nCOPY f /f\n", f=name)
    image = yard.shelf.name(f"{name}/app:1")
    words = ("task", "create", "-n", name, "-c", project, "-f", "Dockerfile", "-t", image)
    service.tracker(*words, "--schedule", f"yearly:0 0 {(now() + timedelta(days=40)):%d} * *")


def make_due(service: RealService, *, days_ago: float) -> None:
    """As if that much time had passed."""
    with (
        contextlib.closing(sqlite3.connect(service.state / "graph.db", isolation_level=None)) as connection,
        immediate(connection),
    ):
        due = to_text(now() - timedelta(days=days_ago))
        connection.execute("UPDATE timers SET next_at = ?", (due,))


def is_planned(service: RealService) -> bool:
    """Whether the timer has its time before it and not behind."""
    return service.query("SELECT count(*) FROM timers WHERE next_at > ?", to_text(now())) == [(1,)]


def test_a_timer_that_becomes_due_has_the_service_run_its_task(
    shared_yard: Yard, service: RealService
) -> None:
    service.start()
    create(shared_yard, service, "due")

    make_due(service, days_ago=0)
    service.until(lambda: service.runs() and service.is_idle(), "the run by the timer")

    (run,) = service.runs("due")
    assert (run.cause, run.status, run.attempt) == ("timer", "Succeeded", 1)
    assert (
        "because     timer yearly was due at "
        in service.tracker("task", "show-run", "--run-id", run.run_id).stdout
    )
    assert 'tracker_timers_due_total{effect="fired"} 1.0' in service.get("/metrics")[1]
    assert is_planned(service)


def test_a_timer_that_was_due_while_the_service_was_down_fires_once(
    shared_yard: Yard, service: RealService
) -> None:
    create(shared_yard, service, "down")
    make_due(service, days_ago=3)

    service.start()
    service.until(lambda: service.runs() and service.is_idle(), "the run by the timer")

    assert [(run.cause, run.status) for run in service.runs()] == [("timer", "Succeeded")]
    assert is_planned(service)


def test_a_timer_that_was_missed_is_left_out_where_the_settings_say_so(
    shared_yard: Yard, service: RealService
) -> None:
    create(shared_yard, service, "missed")
    make_due(service, days_ago=3)

    service.start(TRACKER__TIMERS__MISSED="skip")
    service.until(lambda: is_planned(service), "the timer to be looked at")

    assert service.runs() == []


def test_a_service_that_is_killed_in_the_run_of_a_timer_does_that_run_again_and_no_other(
    shared_yard: Yard, service: RealService
) -> None:
    create(shared_yard, service, "killed")
    service.hook("before-build")
    service.start()
    make_due(service, days_ago=0)
    service.wait_until_held()

    service.kill()
    service.unhook("before-build")
    service.start()
    service.until(lambda: service.runs() and service.is_idle(), "the run to be done again")

    (run,) = service.runs()
    assert (run.cause, run.status, run.attempt) == ("timer", "Succeeded", 2)


def test_timers_of_a_task_rest_while_it_is_disabled(shared_yard: Yard, service: RealService) -> None:
    create(shared_yard, service, "off")
    make_due(service, days_ago=0)

    service.tracker("task", "update", "-n", "off", "--status", "Disabled")
    (resting,) = service.read("task", "timer", "list", "-n", "off")
    service.tracker("task", "update", "-n", "off", "--status", "Enabled")

    assert resting["next_at"] is None
    assert is_planned(service)
