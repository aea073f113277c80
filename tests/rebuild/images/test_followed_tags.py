"""Builds on the newest tag by a rule: what the engine is given, what is recorded, what is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from graph.clock import now
from graph.database import immediate
from graph.model import Manifests
from graph.reference import ImageRef
from graph.snapshot import TaskStates, read_snapshot
from graph.staleness import Limits, Reason, decide
from graph.store import GraphStore, Source
from graph.words import Role, Via
from rebuild.images.intent import from_json, to_json
from rebuild.runs.logs import log_path
from rebuild.runs.run import Outcome
from rebuild.runs.table import Cause, Status
from rebuild.runs.waves import enqueue_due, task_states
from rebuild.tasks.task import Tasks
from rebuild.tasks.triggers import BaseImageTrigger, Bases, Triggers
from tests.rebuild.images.test_image_build import HIGH, LOW, Bench
from tests.rebuild.images.test_image_build import bench as bench

pytestmark = pytest.mark.anyio


def tag(bench: Bench, name: str, word: str = "") -> ImageRef:
    reference = ImageRef.parse(f"r.io/{name}")
    bench.registry.put(reference, LOW, word=word or name)
    return reference


async def built(bench: Bench, text: str, *rules: str, status: Status = Status.SUCCEEDED) -> Outcome:
    definition = replace(bench.definition, follow=tuple(f"r.io/{rule}" for rule in rules))
    (Path(definition.context) / "Dockerfile").write_text(text)
    bench.definition = definition
    outcome = await bench.done()
    assert outcome.status is status, outcome.error
    return outcome


def told(bench: Bench) -> str:
    (run_id,) = bench.sample.sql.execute("SELECT id FROM runs ORDER BY number DESC LIMIT 1").fetchone()
    return log_path(bench.place.logs, run_id).read_text()


async def test_the_engine_is_given_the_newest_tag_and_that_is_recorded(bench: Bench) -> None:
    tag(bench, "lib:1.0")
    newest = tag(bench, "lib:1.2")
    tag(bench, "lib:2.0")

    outcome = await built(bench, "FROM r.io/lib:1.0\n", "lib:1.*")

    assert bench.engine.built == [f"FROM {newest.with_digest(bench.registry.tags[newest])}\n"]
    assert outcome.record
    [base] = outcome.record.bases
    assert base.reference == newest
    assert base.followed
    assert (base.followed.rule, str(base.followed.written)) == ("r.io/lib:1.*", "r.io/lib:1.0")
    assert "follows r.io/lib:1.*: newest is 1.2" in told(bench)


async def test_nothing_else_of_the_file_changes(bench: Bench) -> None:
    tag(bench, "lib:1.0")
    newest = tag(bench, "lib:1.2")

    await built(bench, "ARG V=1.0\nFROM --platform=linux/amd64 r.io/lib:${V} AS x  \nENV A=b\n", "lib:1.*")

    pinned = newest.with_digest(bench.registry.tags[newest])
    assert bench.engine.built == [f"ARG V=1.0\nFROM --platform=linux/amd64 {pinned} AS x  \nENV A=b\n"]


async def test_several_references_of_one_repository_are_followed_each_by_itself(bench: Bench) -> None:
    for name in ("lib:1.0", "lib:1.0-slim", "lib:2.5", "lib:1.2-slim"):
        tag(bench, name)
    bench.engine.layers = (LOW, HIGH)

    outcome = await built(
        bench,
        "FROM r.io/lib:2.4 AS a\nFROM r.io/lib:1.0-slim AS b\nFROM r.io/lib:1.0\n"
        "COPY --from=a /x /x\nCOPY --from=b /x /x\n",
        "lib:1.*",
        "lib:2.*",
    )

    assert outcome.record
    assert {base.reference.tag for base in outcome.record.bases} == {"2.5", "1.2-slim", "1.0"}


async def test_a_base_outside_of_the_rule_stays_as_it_is_written(bench: Bench) -> None:
    written = tag(bench, "lib:3.0")
    tag(bench, "lib:1.2")

    outcome = await built(bench, "FROM r.io/lib:3.0\n", "lib:1.*")

    assert outcome.record
    assert [(base.reference, base.followed) for base in outcome.record.bases] == [(written, None)]
    assert "does not follow r.io/lib:1.*: its tag is none of those" in told(bench)


async def test_a_base_that_is_pinned_by_digest_is_not_followed(bench: Bench) -> None:
    written = tag(bench, "lib:1.0")
    tag(bench, "lib:1.2")
    digest = bench.registry.tags[written]
    bench.registry.tags[replace(written, digest=digest)] = digest

    outcome = await built(bench, f"FROM {written}@{digest}\n", "lib:1.*")

    assert outcome.record
    assert outcome.record.bases[0].followed is None
    assert "does not follow r.io/lib:1.*: it is pinned by digest" in told(bench)


async def test_a_rule_into_the_repository_of_the_image_itself_is_left_aside(bench: Bench) -> None:
    tag(bench, "app:0")

    outcome = await built(bench, "FROM r.io/app:0\n", "app:*")

    assert outcome.record
    assert outcome.record.bases[0].followed is None
    assert "would build on its own result for ever" in told(bench)


async def test_a_build_never_goes_back_to_an_older_tag(bench: Bench) -> None:
    tag(bench, "lib:1.0")
    gone = tag(bench, "lib:1.3")
    await built(bench, "FROM r.io/lib:1.0\n", "lib:1.*")
    del bench.registry.tags[gone]
    tag(bench, "lib:1.2")

    outcome = await built(bench, "FROM r.io/lib:1.0\n", "lib:1.*", status=Status.FAILED)

    assert "base 'r.io/lib:1.0', followed to r.io/lib:1.3 by the rule r.io/lib:1.*, cannot be" in str(
        outcome.error
    )
    assert "the registry lists r.io/lib:1.3 no more; an older tag is never taken instead" in told(bench)


async def test_a_rule_that_excludes_the_vanished_tag_is_the_way_back(bench: Bench) -> None:
    tag(bench, "lib:1.0")
    gone = tag(bench, "lib:1.3")
    await built(bench, "FROM r.io/lib:1.0\n", "lib:1.*")
    del bench.registry.tags[gone]
    newest = tag(bench, "lib:1.2")

    outcome = await built(bench, "FROM r.io/lib:1.0\n", "lib:>=1,<2,!=1.3")

    assert outcome.record
    assert outcome.record.bases[0].reference == newest


async def test_what_was_recorded_is_watched_by_its_rule(bench: Bench) -> None:
    tag(bench, "lib:1.0")

    await built(bench, "FROM r.io/lib:1.0\n", "lib:1.*")

    rows = bench.sample.sql.execute("SELECT written, rule, newer_id FROM followings").fetchall()
    assert rows == [("r.io/lib:1.0", "r.io/lib:1.*", None)]
    assert read_snapshot(bench.sample.sql, TaskStates()).moved == {}
    assert bench.sample.sql.execute("SELECT repository FROM tag_lists").fetchall() == [("r.io/lib",)]


async def test_a_build_that_was_noted_before_its_push_keeps_what_it_followed(bench: Bench) -> None:
    tag(bench, "lib:1.2")

    outcome = await built(bench, "FROM r.io/lib:1.0\n", "lib:1.*")

    assert outcome.record
    assert from_json(to_json(outcome.record)).bases == outcome.record.bases


async def test_without_rules_no_registry_lists_its_tags(bench: Bench) -> None:
    tag(bench, "lib:1.0")

    await built(bench, "FROM r.io/lib:1.0\n")

    assert bench.sample.sql.execute("SELECT count(*) FROM tag_lists").fetchone() == (0,)
    assert GraphStore(bench.sample.sql).watched([ImageRef.parse("r.io/lib:1.0")])


async def test_an_engine_that_reads_the_syntax_line_takes_its_image_as_a_base(bench: Bench) -> None:
    tag(bench, "lib:1.0")
    frontend = tag(bench, "frontend:1")
    bench.engine.reads_syntax_line = True

    outcome = await built(bench, f"# syntax={frontend}\nFROM r.io/lib:1.0\n")

    assert outcome.record
    assert [(base.reference, base.via, base.role) for base in outcome.record.bases] == [
        (frontend, Via.SYNTAX, Role.BUILDTIME),
        (ImageRef.parse("r.io/lib:1.0"), Via.FROM, Role.RUNTIME),
    ]
    assert f"# syntax={frontend}\n" in bench.engine.built[0]


async def test_an_engine_that_does_not_read_the_syntax_line_asks_for_no_image_of_it(bench: Bench) -> None:
    tag(bench, "lib:1.0")

    outcome = await built(bench, "# syntax=r.io/frontend:not-there\nFROM r.io/lib:1.0\n")

    assert outcome.record
    assert [base.via for base in outcome.record.bases] == [Via.FROM]


async def test_no_rule_changes_the_syntax_line_which_the_builder_reads_itself(bench: Bench) -> None:
    tag(bench, "lib:1.0")
    frontend = tag(bench, "frontend:1")
    tag(bench, "frontend:2")
    bench.engine.reads_syntax_line = True

    outcome = await built(bench, f"# syntax={frontend}\nFROM r.io/lib:1.0\n", "frontend:*")

    assert outcome.record
    assert frontend in {base.reference for base in outcome.record.bases}


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (BaseImageTrigger(), Reason.BASE_MOVED),
        (BaseImageTrigger(bases=Bases.RUNTIME), Reason.UNFOLLOWED),
        (BaseImageTrigger(enabled=False), Reason.UNFOLLOWED),
    ],
    ids=["All", "Runtime", "off"],
)
async def test_a_buildtime_base_that_moves_rebuilds_by_the_words_of_the_trigger(
    bench: Bench, trigger: BaseImageTrigger, reason: Reason
) -> None:
    tag(bench, "lib:1.0")
    tools = tag(bench, "tools:1")
    sql = bench.sample.sql
    await built(bench, "FROM r.io/tools:1 AS t\nFROM r.io/lib:1.0\nCOPY --from=t /x /x\n")
    with immediate(sql):
        task = Tasks(sql).save("app", bench.definition, bench.sample.at)
        Triggers(sql).set_base_image(task.task_id, trigger)
        moved = tag(bench, "tools:1", word="moved")
        held = Manifests(bench.registry.tags[moved])
        GraphStore(sql).observe(tools, held, now(), Source.POLL)
        found = enqueue_due(sql, now(), Limits(), workers=1)

    [decision] = decide(read_snapshot(sql, task_states(sql, now())), now(), Limits()).values()
    started = reason is Reason.BASE_MOVED
    assert [run.cause for run in found.runs] == ([Cause.BASE_IMAGE] if started else [])
    assert decision.reason is (Reason.RUNNING if started else reason)
