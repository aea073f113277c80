"""What would be rebuilt, in which order, and how long it takes."""

from __future__ import annotations

from pathlib import Path

from rebuild.runs.table import Status
from rebuild.tasks.task import Tasks
from tests.graph_samples import HOST, LONG, Sample, with_moved_debian
from tests.tracker.cli.conftest import Tracker


def test_nothing_to_do_is_an_empty_plan(sample: Sample, tracker: Tracker) -> None:
    assert tracker("plan").out == "nothing is to be rebuilt now\n"
    assert tracker("plan", "--json").json == {
        "steps": [],
        "critical_path_s": 0.0,
        "work_s": 0.0,
        "makespan_s": 0.0,
    }


def test_a_diamond_is_rebuilt_each_once_bases_first(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    plan = tracker("plan", "--json").json

    assert [(step["task"], step["level"], step["waits_for"]) for step in plan["steps"]] == [
        ("base", 0, []),
        ("img-b", 1, ["base"]),
        ("img-c", 1, ["base"]),
        ("img-d", 2, ["img-b", "img-c"]),
    ]
    assert plan["steps"][0]["images"] == [f"{HOST}/base:1"]


def test_each_step_of_the_json_is_a_line(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    lines = tracker("plan", "--json").lines

    assert [line[:13] for line in lines[2:6]] == ['    {"task": "'[:13]] * 4


def test_durations_are_those_of_the_last_runs(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)
    for name, took_s in (("base", 100), ("img-b", 10), ("img-c", 30), ("img-d", 5)):
        sample.run(Tasks(sample.sql).named(name), Status.SUCCEEDED, hours=70, took_s=took_s)

    plan = tracker("plan", "--json", "--workers", "2").json

    assert [step["starts_s"] for step in plan["steps"]] == [0.0, 100.0, 100.0, 130.0]
    assert (plan["critical_path_s"], plan["work_s"], plan["makespan_s"]) == (135.0, 145.0, 135.0)


def test_sums_of_durations_have_no_digits_that_nobody_measured(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)
    for name in ("base", "img-b", "img-c", "img-d"):
        sample.run(Tasks(sample.sql).named(name), Status.SUCCEEDED, hours=70, took_s=0.1)

    assert tracker("plan", "--json", "--workers", "1").json["critical_path_s"] == 0.3


def test_workers_come_from_the_command_line_then_the_settings(
    sample: Sample, tracker: Tracker, tmp_path: Path
) -> None:
    with_moved_debian(sample)
    settings = tmp_path / "tracker.toml"
    settings.write_text("[rebuild]\nworkers = 1\n")

    by_settings = tracker("--config", str(settings), "plan", "--json").json
    by_option = tracker("--config", str(settings), "plan", "--json", "--workers", "2").json

    assert by_settings["makespan_s"] == by_settings["work_s"]
    assert by_option["makespan_s"] < by_option["work_s"]


def test_the_plan_reads_level_by_level(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    assert tracker("plan").lines == [
        "LEVEL AND TASK  STARTS     TAKES",
        "level 0: waits for nothing",
        "  base          now        00:01:00",
        f"    {HOST}/base:1",
        "level 1",
        "  img-b         +00:01:00  00:01:00",
        f"    {HOST}/img-b:1",
        "    after base",
        "  img-c         +00:01:00  00:01:00",
        f"    {HOST}/img-c:1",
        "    after base",
        "level 2",
        "  img-d         +00:02:00  00:01:00",
        f"    {HOST}/img-d:1",
        "    after img-b and img-c",
        "",
        "4 tasks, 4 images; 00:03:00 in all with 2 runs at a time",
        "longest chain 00:03:00, work 00:04:00",
    ]


def test_the_preview_of_one_image_asks_what_would_follow(sample: Sample, tracker: Tracker) -> None:
    plan = tracker("plan", "img-b:1", "--json").json

    assert [step["task"] for step in plan["steps"]] == ["img-d"]


def test_the_preview_names_what_no_task_would_rebuild(sample: Sample, tracker: Tracker) -> None:
    lines = tracker("plan", "img-d:1").lines

    assert lines == [
        f"nothing would be rebuilt if {HOST}/img-d:1 moved",
        "",
        "not in the plan:",
        f"  {LONG}",
        "    blocked: no task builds it",
    ]


def test_what_is_held_back_is_named_apart_with_the_reason(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)
    sample.run(Tasks(sample.sql).named("base"), Status.FAILED, hours=0.002, took_s=1)

    answer = tracker("plan")

    assert answer.lines[0] == "nothing is to be rebuilt now"
    assert f"  {HOST}/base:1" in answer.lines
    assert "the next try is in" in answer.out


def test_a_run_that_is_at_work_stands_in_the_plan(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)
    sample.run(Tasks(sample.sql).named("base"), Status.RUNNING, hours=0.001)

    lines = tracker("plan").lines

    assert lines[2].split() == ["base", "(at", "work)", "now", "00:01:00"]
