"""The story of one image."""

from __future__ import annotations

from graph.database import immediate
from graph.store import GraphStore
from rebuild.runs.table import Status
from rebuild.tasks.task import Tasks
from tests.graph_samples import HOST, LONG, Sample, index_of, with_moved_debian
from tests.tracker.cli.conftest import Tracker


def test_a_fresh_image_says_since_when_nothing_moved(sample: Sample, tracker: Tracker) -> None:
    lines = tracker("why", "base:1").lines

    assert lines[1] == "  fresh: nothing that it stands on has moved since it was built 3 days ago"


def test_a_stale_image_says_so_and_compares_its_base(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    answer = tracker("why", "base:1")

    old = index_of(amd64="debian", arm64="debian on arm").digest.short
    new = index_of(amd64="debian, mended", arm64="debian on arm").digest.short
    assert answer.lines[1] == "  stale, to be rebuilt now: a base has moved"
    assert f"    moved 5 hours ago: {old} → {new}" in answer.lines
    assert "    last asked 5 hours ago, due now" in answer.lines


def test_a_move_that_concerns_another_platform_is_explained(sample: Sample, tracker: Tracker) -> None:
    sample.observe("debian:12", index_of(amd64="debian", arm64="another"), hours=5)

    answer = tracker("why", "base:1")

    assert "fresh: nothing" in answer.out
    assert "same for linux/amd64, though the tag moved:" in answer.out


def test_an_image_above_waits_for_those_below_it(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    story = tracker("why", "img-d:1", "--json").json

    assert (story["verdict"], story["reason"]) == ("wait", "base-pending")
    assert story["waits_for"] == [f"{HOST}/img-b:1", f"{HOST}/img-c:1"]


def test_no_line_of_names_is_broken_and_long_sentences_are(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    lines = tracker("why", "img-d:1").lines

    assert lines[1:3] == [
        f"  not stale, waiting: {HOST}/img-b:1 and",
        f"    {HOST}/img-c:1 come first",
    ]


def test_a_pinned_base_never_moves(sample: Sample, tracker: Tracker) -> None:
    assert "    pinned by digest: never moves" in tracker("why", LONG).lines


def test_an_image_without_a_task_says_so_with_the_way_out(sample: Sample, tracker: Tracker) -> None:
    out = tracker("why", LONG).out

    assert "No task builds it, so that nothing rebuilds it when a base moves." in out
    assert "hint: save one: tracker build CONTEXT -t NAME --task TASK" in out


def test_a_poll_that_failed_is_shown_without_control_characters(sample: Sample, tracker: Tracker) -> None:
    with immediate(sample.sql):
        store = GraphStore(sample.sql)
        (row,) = sample.sql.execute("SELECT id FROM images WHERE name LIKE '%debian:12'").fetchall()
        store.note_failure(row[0], "503 from registry\x1b[2J\nnext line")
        store.note_failure(row[0], "503 from registry\x1b[2J\nnext line")

    out = tracker("why", "base:1").out

    assert "    2 polls failed since: 503 from registry�[2J next line\n" in out


def test_the_last_runs_are_told_newest_first(sample: Sample, tracker: Tracker) -> None:
    task = Tasks(sample.sql).named("base")
    sample.run(task, Status.SUCCEEDED, hours=50, took_s=61)
    sample.run(task, Status.FAILED, hours=20, took_s=3600, error="RUN apt-get update: exit status 100")

    lines = tracker("why", "base:1").lines

    assert lines[-4:] == [
        "Its last runs:",
        "  a2  Failed  base-image, 20 hours ago, took 01:00:00",
        "    RUN apt-get update: exit status 100",
        "  a1  Succeeded  base-image, 2 days ago, took 00:01:01",
    ]


def test_a_quick_build_is_found_by_the_image_that_it_made(sample: Sample, tracker: Tracker) -> None:
    run = sample.run(None, Status.SUCCEEDED, hours=1, images=[LONG])

    assert [told["run_id"] for told in tracker("why", LONG, "--json").json["runs"]] == [run.run_id]


def test_an_external_base_is_not_ours_to_rebuild(sample: Sample, tracker: Tracker) -> None:
    out = tracker("why", "debian:12").out

    assert "not built here, so that nothing rebuilds it" in out
    assert "1 image stands on it directly." in out


def test_a_disabled_task_is_named(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)
    sample.sql.execute("UPDATE tasks SET enabled = 0 WHERE name = 'base'")

    out = tracker("why", "base:1").out

    assert "stale, blocked: its task is disabled" in out
    assert "Task base builds it, and is disabled." in out


def test_a_base_in_a_circle_says_that_it_rebuilds_nothing(sample: Sample, tracker: Tracker) -> None:
    sample.build(f"{HOST}/base:1", f"{HOST}/img-d:1", hours=1)

    assert "a change there rebuilds nothing" in tracker("why", "base:1").out


def test_an_unknown_image_is_an_error(sample: Sample, tracker: Tracker) -> None:
    answer = tracker("why", "nothing-like-it")

    assert (answer.status, answer.out) == (1, "")
    assert answer.err.startswith("error: no image docker.io/library/nothing-like-it:latest")


def test_a_name_of_an_earlier_run_is_left_behind_whatever_moves(sample: Sample, tracker: Tracker) -> None:
    task = sample.task("nightly")
    sample.build(f"{HOST}/nightly:n1", "debian:12", hours=60, task=task)
    with immediate(sample.sql):
        GraphStore(sample.sql).leave_behind(task.task_id, [])
    with_moved_debian(sample)

    told = tracker("why", "nightly:n1")

    assert "left behind: its task has run again" in told.out
    assert "save one" not in told.out
    assert tracker("why", "nightly:n1", "--json").json["left_behind"] is True
    assert "nightly" not in tracker("stale").out
