"""Killed between any two statements, an event of a repository is there, or what it led to is."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import Connection

from graph.database import immediate
from graph.reference import Platform
from rebuild.runs.definition import Definition, DockerStep
from rebuild.sources.event import Happening, Provider, PullRequest, SourceEvent
from rebuild.tasks.task import Tasks
from rebuild.tasks.triggers import SourceTrigger, Triggers
from tests.graph_samples import Sample
from tests.tracker.hooks.forge_payloads import A, B, C
from tests.tracker.test_transactions import STEPS_MOST, Looking, kill_at
from tracker.sources.intake import SourceIntake
from tracker.state import State
from tracker.watching.inbox import Box, Inbox

URL = "https://git.example.com/web.git"


def event(commit: str, pull: PullRequest | None = None) -> SourceEvent:
    return SourceEvent(
        provider=Provider.GITHUB,
        delivery="d",
        urls=(URL,),
        happening=Happening.PULL_REQUEST if pull else Happening.PUSH,
        ref="main",
        commit=commit,
        old_commit=A,
        pull=pull,
    )


def test_an_event_is_gone_with_the_runs_that_it_causes_or_not_at_all(tmp_path: Path) -> None:
    sample = Sample(State(tmp_path), State(tmp_path).write())
    definition = Definition(URL, DockerStep(images=("r.io/web:1",)), Platform.parse("linux/amd64"))
    with immediate(sample.sql):
        task = Tasks(sample.sql).save("web", definition, sample.at)
        trigger = SourceTrigger(branch="main", pull_requests=True)
        Triggers(sample.sql).set_source(task.task_id, trigger)
        Inbox(sample.sql, Box.HOOKS).put("github", b"it moved", sample.at)
    request = PullRequest(number=7, action="opened", head="main", base="main", from_fork=False)

    def take(connection: Connection) -> None:
        inbox = Inbox(connection, Box.HOOKS)
        intake = SourceIntake(connection, Looking(connection, sample), lambda: sample.at)
        intake.take([event(B), event(C, request)], lambda _: inbox.remove(inbox.oldest(9)))

    seen = set()
    for number in range(STEPS_MOST):
        killed = kill_at(number, take, tmp_path)
        letters = Inbox(sample.sql, Box.HOOKS).count()
        runs = sample.sql.execute("SELECT cause FROM runs ORDER BY cause").fetchall()
        noted = sample.sql.execute("SELECT count(*) FROM source_commits").fetchone()[0]
        waiting = sample.sql.execute("SELECT count(*) FROM source_requests").fetchone()[0]
        seen.add((letters, tuple(row[0] for row in runs), noted > 0, waiting))
        if not killed:
            break

    sample.sql.close()
    assert not killed
    assert seen == {(1, (), False, 0), (0, ("commit", "pull-request"), True, 0)}
