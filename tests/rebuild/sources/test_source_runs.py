"""From events of a repository to wishes for runs: once each, newest last, whatever order they come in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.database import immediate
from graph.expecting import Expectations, ExpectedBase
from graph.migrations import migrate
from graph.reference import ImageRef, Platform
from graph.staleness import Limits
from graph.words import Role, Via
from rebuild.migrations import run_tables
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.recovery import hand_back
from rebuild.runs.table import Cause, Run, Runs, Status
from rebuild.runs.waves import Enqueued, enqueue_due
from rebuild.sources.event import Happening, Provider, PullRequest, SourceEvent
from rebuild.sources.wishes import Effect, ask_for, in_doubt
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.triggers import SourceFilters, SourceTrigger, Triggers
from tests.graph_samples import Sample

A, B, C, D = (letter * 40 for letter in "abcd")
URL = "https://github.com/example/web.git"
EVERYTHING = SourceTrigger(
    pull_requests=True, filters=SourceFilters(branches=("**",), tags=("v*",), targets=("**",))
)


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    yield made
    made.sql.close()


def task(sample: Sample, name: str, trigger: SourceTrigger = EVERYTHING, url: str = f"{URL}#:app") -> Task:
    definition = Definition(url, DockerStep(images=(f"r.io/{name}:1",)), Platform.parse("linux/amd64"))
    with immediate(sample.sql):
        saved = Tasks(sample.sql).save(name, definition, sample.at)
        Triggers(sample.sql).set_source(saved.task_id, trigger)
    return saved


def push(commit: str, before: str | None, branch: str = "main") -> SourceEvent:
    return SourceEvent(
        provider=Provider.GITHUB,
        delivery="d",
        urls=(URL,),
        happening=Happening.PUSH,
        ref=branch,
        commit=commit,
        old_commit=before,
    )


def pull(commit: str, number: int = 7, before: str | None = None, *, from_fork: bool = False) -> SourceEvent:
    request = PullRequest(number=number, action="opened", head="f", base="main", from_fork=from_fork)
    return replace(push(commit, before, "f"), happening=Happening.PULL_REQUEST, pull=request)


def take(sample: Sample, *events: SourceEvent) -> list[Effect]:
    with immediate(sample.sql):
        return [one.effect for event in events for one in ask_for(sample.sql, event, sample.at)]


def look(sample: Sample) -> Enqueued:
    with immediate(sample.sql):
        return enqueue_due(sample.sql, sample.at, Limits(), workers=2)


def finish(sample: Sample, run: Run, status: Status = Status.SUCCEEDED) -> None:
    with immediate(sample.sql):
        Runs(sample.sql).claim(sample.at, "a process", run_id=run.run_id)
        Runs(sample.sql).finish(run, status, sample.at)


def built(enqueued: Enqueued) -> list[str]:
    return [run.definition.context.partition("#")[2].partition(":")[0] for run in enqueued.runs]


def test_a_push_becomes_a_run_of_its_newest_commit(sample: Sample) -> None:
    web = task(sample, "web")

    assert take(sample, push(B, A)) == [Effect.ASKED]
    (run,) = look(sample).runs

    assert (run.task_id, run.cause, run.definition.context) == (web.task_id, Cause.COMMIT, f"{URL}#{B}:app")
    (reason,) = sample.sql.execute("SELECT reason FROM runs").fetchone()
    assert json.loads(reason) == [
        {
            "subject": "heads/main",
            "commit": B,
            "provider": "github",
            "delivery": "d",
            "repository": URL,
            "branch": "main",
        }
    ]
    assert look(sample).runs == ()


@pytest.mark.parametrize(
    ("events", "effects"),
    [
        ([push(B, A), push(B, A)], [Effect.ASKED, Effect.KNOWN]),
        ([push(C, B), push(B, A)], [Effect.ASKED, Effect.LATE]),
        (
            [push(A, ""), push(D, C), push(B, A), push(C, B)],
            [Effect.ASKED, Effect.ASKED, Effect.LATE, Effect.LATE],
        ),
        ([push(B, A), push(A, B)], [Effect.ASKED, Effect.ASKED]),
        ([push(B, A), push(A, B), push(B, A), push(B, A)], [Effect.ASKED] * 3 + [Effect.KNOWN]),
        ([push(B, None), push(A, None), push(B, None)], [Effect.ASKED, Effect.ASKED, Effect.LATE]),
        ([push(B, ""), push("", B), push(B, "")], [Effect.ASKED, Effect.DELETED, Effect.ASKED]),
        ([push(B, A), push(B, A, "dev")], [Effect.ASKED, Effect.ASKED]),
    ],
    ids=["replayed", "late", "known past", "back", "there and back", "untold", "deleted", "branches"],
)
def test_events_in_any_order_count_once(
    sample: Sample, events: list[SourceEvent], effects: list[Effect]
) -> None:
    task(sample, "web")

    assert take(sample, *events) == effects


def test_only_a_commit_that_follows_on_nothing_known_is_in_doubt(sample: Sample) -> None:
    task(sample, "web")
    assert in_doubt(sample.sql, push(B, A)) == []

    take(sample, push(D, C))

    doubtful = [push(B, A), push(B, None), push(B, C)]
    certain = [push(D, C), push(B, D), push(C, B), push("", B), push(B, A, "dev")]
    assert [bool(in_doubt(sample.sql, event)) for event in doubtful] == [True] * 3
    assert [bool(in_doubt(sample.sql, event)) for event in certain] == [False] * 5


def test_a_newer_commit_takes_the_place_of_one_that_waits(sample: Sample) -> None:
    task(sample, "web")

    take(sample, push(B, A), push(C, B))

    assert built(look(sample)) == [C]
    assert built(look(sample)) == []


def test_a_newer_commit_ends_a_run_that_is_queued_and_says_why(sample: Sample) -> None:
    task(sample, "web")
    take(sample, push(B, A))
    (old,) = look(sample).runs

    take(sample, push(C, B))

    assert built(look(sample)) == [C]
    row = sample.sql.execute("SELECT status, error FROM runs WHERE id = ?", (old.run_id,)).fetchone()
    assert row == ("Canceled", f"superseded: heads/main is at {C[:12]} now")


def test_a_newer_commit_waits_for_a_run_that_goes_on(sample: Sample) -> None:
    task(sample, "web")
    take(sample, push(B, A))
    (old,) = look(sample).runs
    with immediate(sample.sql):
        Runs(sample.sql).claim(sample.at, "a process")

    take(sample, push(C, B))
    assert built(look(sample)) == []
    finish(sample, old)

    assert built(look(sample)) == [C]


def test_commits_of_two_branches_are_built_one_after_the_other(sample: Sample) -> None:
    task(sample, "web")
    take(sample, push(B, A), push(C, A, "dev"))

    first = look(sample)
    assert built(first) == [B]
    finish(sample, first.runs[0])

    assert built(look(sample)) == [C]


def test_pull_requests_are_tried_out_beside_the_runs_of_the_branch(sample: Sample) -> None:
    web = task(sample, "web")

    take(sample, push(B, A), pull(C), pull(D, 8))
    look(sample)
    with immediate(sample.sql):
        claimed = [Runs(sample.sql).claim(sample.at, "a process") for _ in range(4)]

    causes = [run.cause for run in claimed if run]
    assert sorted(causes) == ["commit", "pull-request", "pull-request"]
    assert Runs(sample.sql).busy_tasks() == {web.task_id}


def test_what_a_pull_request_comes_to_tells_nothing_of_its_task(sample: Sample) -> None:
    task(sample, "web")
    take(sample, pull(C))
    (trial,) = [Runs(sample.sql).get(row[0]) for row in sample.sql.execute("SELECT id FROM runs")]

    finish(sample, trial, Status.FAILED)

    assert Runs(sample.sql).failed_attempts() == {}
    assert Runs(sample.sql).busy_tasks() == frozenset()


def test_a_newer_commit_of_a_pull_request_ends_the_run_that_is_queued(sample: Sample) -> None:
    task(sample, "web")

    take(sample, pull(B), pull(C, 8), pull(D, 7, B))

    rows = sample.sql.execute("SELECT status FROM runs ORDER BY number").fetchall()
    assert [row[0] for row in rows] == ["Canceled", "Queued", "Queued"]


def test_a_wish_by_hand_takes_a_queued_run_over_and_the_commit_waits_anew(sample: Sample) -> None:
    web = task(sample, "web")
    take(sample, push(B, A))
    (run,) = look(sample).runs

    with immediate(sample.sql):
        taken = Runs(sample.sql).add(web.definition, Cause.MANUAL, sample.at, task_id=web.task_id)
    assert (taken.run_id, taken.cause, taken.definition) == (run.run_id, Cause.MANUAL, web.definition)
    finish(sample, taken)

    assert built(look(sample)) == [B]


def test_a_trial_that_lost_its_process_is_done_again_whatever_else_waits(sample: Sample) -> None:
    task(sample, "web")
    take(sample, pull(C), push(B, A))
    with immediate(sample.sql):
        trial = Runs(sample.sql).claim(sample.at, "a process")
    look(sample)
    assert trial is not None

    with immediate(sample.sql):
        hand_back(Runs(sample.sql), trial, sample.at)

    assert Runs(sample.sql).get(trial.run_id).status is Status.QUEUED


def test_a_commit_to_base_and_app_is_one_wave_in_order_before_anything_was_built(sample: Sample) -> None:
    app, base = task(sample, "app"), task(sample, "base")
    with immediate(sample.sql):
        expected = ExpectedBase(ImageRef.parse("r.io/base:1"), Role.RUNTIME, Via.FROM, "", 1)
        Expectations(sample.sql).expect(app.task_id, [expected], sample.at)

    take(sample, push(B, A))
    first = look(sample)
    assert [run.task_id for run in first.runs] == [base.task_id]
    finish(sample, first.runs[0])
    second = look(sample)

    assert [run.task_id for run in second.runs] == [app.task_id]
    assert first.runs[0].wave_id == second.runs[0].wave_id is not None
    finish(sample, second.runs[0])
    assert look(sample).runs == ()


def test_an_app_is_built_once_for_its_commit_and_for_the_base_that_it_moved(sample: Sample) -> None:
    app, base = task(sample, "app"), task(sample, "base")
    sample.build("r.io/base:1", hours=3, task=base)
    sample.build("r.io/app:1", "r.io/base:1", hours=2, task=app)

    take(sample, push(B, A))
    (first,) = look(sample).runs
    finish(sample, first)
    sample.build("r.io/base:1", hours=1, task=base)
    (second,) = look(sample).runs
    finish(sample, second)
    sample.build("r.io/app:1", "r.io/base:1", hours=0, task=app)

    assert (first.task_id, second.task_id, second.cause) == (base.task_id, app.task_id, Cause.COMMIT)
    assert look(sample).runs == ()


def test_tasks_that_are_disabled_and_triggers_that_are_off_hear_nothing(sample: Sample) -> None:
    task(sample, "off", replace(EVERYTHING, enabled=False))
    paused = task(sample, "paused")
    with immediate(sample.sql):
        Tasks(sample.sql).set_enabled(paused.task_id, enabled=False)

    assert take(sample, push(B, A)) == []


def test_what_a_path_filter_left_out_still_tells_where_the_branch_stands(sample: Sample) -> None:
    task(sample, "web", replace(EVERYTHING, filters=SourceFilters(branches=("**",), paths=("app",))))

    effects = take(sample, replace(push(C, B), paths=frozenset({"docs"})), push(B, A))

    assert effects == [Effect.UNWANTED, Effect.LATE]


def test_a_task_that_is_given_another_context_forgets_the_commits_of_the_old_one(sample: Sample) -> None:
    web = task(sample, "web")
    take(sample, push(B, A))

    task(sample, "web", url="/srv/web")

    assert look(sample).runs == ()
    task(sample, "web")
    assert take(sample, push(B, A)) == [Effect.ASKED]
    assert [run.task_id for run in look(sample).runs] == [web.task_id]


def test_a_task_without_its_source_trigger_builds_no_commit_that_waits(sample: Sample) -> None:
    web = task(sample, "web")
    take(sample, push(B, A))

    with immediate(sample.sql):
        Triggers(sample.sql).set_source(web.task_id, None)

    assert look(sample).runs == ()


def test_tasks_of_before_are_found_by_their_repository(sample: Sample) -> None:
    task(sample, "web")
    task(sample, "local", url="/srv/web")
    sample.sql.execute("DROP INDEX tasks_repository")
    sample.sql.execute("ALTER TABLE tasks DROP COLUMN repository")
    sample.sql.execute("DELETE FROM _sqlite_migrations WHERE name = 'repositories_of_tasks'")
    sample.sql.commit()

    migrate(sample.sql, run_tables)

    keys = sample.sql.execute("SELECT name, repository FROM tasks ORDER BY name").fetchall()
    assert keys == [("local", None), ("web", "github.com/example/web")]
    assert take(sample, push(B, A)) == [Effect.ASKED]


def test_a_repository_at_another_port_is_another(sample: Sample) -> None:
    task(sample, "web", url="https://github.com:8443/example/web.git")

    assert take(sample, push(B, A)) == []
    assert take(sample, replace(push(B, A), urls=("git@github.com:example/web.git",))) == [Effect.ASKED]


@pytest.mark.parametrize(
    "unwanted", [{"paths": frozenset({"docs/a"})}, {"message": "words [skip ci]"}], ids=["path", "skip"]
)
def test_a_commit_that_nobody_wants_takes_the_place_of_none_that_waits(
    sample: Sample, unwanted: dict[str, Any]
) -> None:
    task(sample, "web", replace(EVERYTHING, filters=replace(EVERYTHING.filters, paths=("app/",))))
    changed: dict[str, Any] = {"paths": frozenset({"app/a"})}

    effects = take(
        sample,
        replace(push(B, A), **changed),
        replace(push(C, B), **{**changed, **unwanted}),
        replace(pull(B), **changed),
        replace(pull(C, before=B), **{**changed, **unwanted}),
    )

    assert effects == [Effect.ASKED, Effect.UNWANTED] * 2
    assert [run.definition.revision.commit for run in look(sample).runs if run.definition.revision] == [B]
    statuses = sample.sql.execute("SELECT cause, status FROM runs ORDER BY number").fetchall()
    assert statuses == [("pull-request", "Queued"), ("commit", "Queued")]
