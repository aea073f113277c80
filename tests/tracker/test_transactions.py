"""Killed between any two statements, the database holds all of a step or nothing of it."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graph.database import immediate
from graph.model import BaseContent, BuildRecord
from graph.reference import ImageRef
from graph.staleness import Limits
from graph.store import GraphStore, Source
from rebuild.runs.run import Outcome, write_down
from rebuild.runs.table import Runs, Status
from rebuild.runs.waves import enqueue_due
from rebuild.tasks.due_timers import TimerRules, fire_due
from rebuild.tasks.timers import Timers, timers_of
from tests.graph_samples import HOST, Sample, diamond, index_of, with_moved_debian
from tracker.metrics import Metrics
from tracker.state import State
from tracker.watching.inbox import Inbox
from tracker.watching.intake import Intake
from tracker.watching.watch import Answer, Intervals

STEPS_MOST = 400


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    diamond(tmp_path).sql.close()
    yield tmp_path


def kill_at(number: int, work: Callable[[sqlite3.Connection], None], folder: Path) -> bool:
    """Do the work in a process that is killed before its statement of that number; whether it was."""
    child = os.fork()
    if child == 0:
        connection = State(folder).write()
        left = number

        def count(_: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        connection.set_trace_callback(count)
        work(connection)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


class Looking:
    """Asks for runs as the service does."""

    def __init__(self, connection: sqlite3.Connection, sample: Sample) -> None:
        self._sql = connection
        self._at = sample.at

    def look_within(self) -> None:
        enqueue_due(self._sql, self._at, Limits(), workers=2)

    def start(self) -> None:
        """Nothing is carried out here."""


def test_an_observation_is_written_with_the_runs_that_it_causes_or_not_at_all(folder: Path) -> None:
    sample = Sample(State(folder), State(folder).write())
    with immediate(sample.sql):
        Inbox(sample.sql).put("distribution", b"it moved", sample.at)

    def take(connection: sqlite3.Connection) -> None:
        (moved,) = GraphStore(connection).watched([ImageRef.parse("debian:12")]).values()
        answer = Answer(moved, sample.at, index_of(amd64="debian, mended", arm64="debian on arm"))
        intake = Intake(connection, Looking(connection, sample), Metrics(), Intervals())
        intake.take([answer], Source.EVENT, Inbox(connection).oldest(10))

    seen = set()
    for number in range(STEPS_MOST):
        killed = kill_at(number, take, folder)
        moved = sample.sql.execute(
            "SELECT count(*) FROM observation_history WHERE source = 'event'"
        ).fetchone()
        queued = sample.sql.execute("SELECT count(*) FROM runs").fetchone()
        letters = sample.sql.execute("SELECT count(*) FROM inbox").fetchone()
        seen.add((moved[0], queued[0], letters[0]))
        if not killed:
            break

    sample.sql.close()
    assert not killed
    assert seen == {(0, 0, 1), (1, 1, 0)}


def test_a_finished_run_is_written_with_what_it_recorded_or_not_at_all(folder: Path) -> None:
    sample = with_moved_debian(Sample(State(folder), State(folder).write()))
    with immediate(sample.sql):
        (run,) = enqueue_due(sample.sql, sample.at, Limits(), workers=2).runs
        Runs(sample.sql).claim(sample.at, "a process")
        Runs(sample.sql).set_running(run)
    debian = index_of(amd64="debian, mended", arm64="debian on arm")
    sample.holds[ImageRef.parse("debian:12")] = debian
    built = index_of(amd64="base, rebuilt")
    base = sample.base("debian:12", first=True, line=1, platforms=[run.definition.platform])
    record = BuildRecord(
        (ImageRef.parse(f"{HOST}/base:1"),), built, built.digest, (run.definition.platform,), (base,),
        sample.at, sample.at, 1.0,
    )  # fmt: skip

    def finish(connection: sqlite3.Connection) -> None:
        with immediate(connection):
            contents = {debian.digest: BaseContent((built.digest,))}
            outcome = Outcome(Status.SUCCEEDED, records=(record,), contents=contents)
            write_down(connection, run, outcome, sample.at)

    seen = set()
    for number in range(STEPS_MOST):
        killed = kill_at(number, finish, folder)
        status = sample.sql.execute("SELECT status FROM runs WHERE id = ?", (run.run_id,)).fetchone()[0]
        recorded = sample.sql.execute(
            "SELECT count(*) FROM builds WHERE run_id = ?", (run.run_id,)
        ).fetchone()[0]
        layers = sample.sql.execute("SELECT count(*) FROM layers").fetchone()[0]
        seen.add((status, recorded, layers))
        if not killed:
            break

    sample.sql.close()
    assert not killed
    assert seen == {("Running", 0, 0), ("Succeeded", 1, 1)}


def test_a_timer_is_advanced_with_the_run_that_it_makes_or_not_at_all(folder: Path) -> None:
    sample = Sample(State(folder), State(folder).write())
    web = sample.task("web", "localhost:5000/web:1")
    timers = Timers(sample.sql)
    with immediate(sample.sql):
        timers.replace(web.task_id, timers_of(["0 * * * *", "0 0 * * *"]), sample.ago(48))

    def fire(connection: sqlite3.Connection) -> None:
        with immediate(connection):
            fire_due(connection, sample.at, TimerRules(), most=100)

    seen = set()
    for number in range(STEPS_MOST):
        killed = kill_at(number, fire, folder)
        queued = sample.sql.execute("SELECT count(*) FROM runs").fetchone()[0]
        due = [standing.next_at <= sample.at for standing in timers.standing(web.task_id) if standing.next_at]
        seen.add((queued, *due))
        if not killed:
            break

    sample.sql.close()
    assert not killed
    assert seen == {(0, True, True), (1, False, False)}
