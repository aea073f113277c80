"""What is stale, and what is to become of it."""

from __future__ import annotations

from pathlib import Path

from graph.clock import to_text
from rebuild.runs.table import Status
from rebuild.tasks.task import Tasks
from tests.graph_samples import HOST, LONG, Sample, digest_of, index_of, with_moved_debian
from tests.tracker.cli.conftest import Tracker


def test_nothing_stale_is_said_in_words_and_as_an_empty_list(sample: Sample, tracker: Tracker) -> None:
    assert tracker("stale").out == "no image is stale\n"
    assert tracker("stale", "--json").json == []


def test_a_stale_image_is_listed_with_base_and_both_digests(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    lines = tracker("stale").lines

    old, new = digest_of("debian").short, digest_of("debian, mended").short
    assert lines == [
        f"{HOST}/base:1",
        "  rebuild: a base has moved",
        "  debian:12",
        f"  - linux/amd64: {old} → {new}, 5 hours ago",
        "",
        "1 image is stale: 1 to rebuild now",
        "3 more images follow: see 'tracker plan'",
    ]


def test_the_json_carries_the_whole_digests_and_since_when(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    (found,) = tracker("stale", "--json").json

    assert (found["reference"], found["verdict"], found["reason"]) == (
        f"{HOST}/base:1",
        "rebuild",
        "base-moved",
    )
    (evidence,) = found["evidence"]
    assert evidence["recorded_digest"] == str(digest_of("debian"))
    assert evidence["observed_digest"] == str(digest_of("debian, mended"))
    assert evidence["since"] == evidence["moved_at"] == to_text(sample.ago(5))


def test_exit_code_tells_scripts_only_when_asked(sample: Sample, tracker: Tracker) -> None:
    assert tracker("stale", "--exit-code").status == 0

    with_moved_debian(sample)

    assert tracker("stale").status == 0
    assert tracker("stale", "--exit-code").status == 1


def test_an_image_without_a_task_is_blocked_with_the_way_out(sample: Sample, tracker: Tracker) -> None:
    sample.build(f"{HOST}/img-d:1", f"{HOST}/img-b:1", hours=1)

    lines = tracker("stale").lines

    assert lines[:3] == [
        LONG,
        "  blocked: no task builds it",
        "  hint: save one: tracker build CONTEXT -t NAME --task TASK",
    ]


def test_a_failed_rebuild_waits_and_says_for_when(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)
    run = sample.run(Tasks(sample.sql).named("base"), Status.FAILED, hours=0.002, took_s=1)

    (found,) = tracker("stale", "--json").json

    assert (found["verdict"], found["reason"], found["run_id"]) == ("wait", "retry-later", run.run_id)
    assert found["until"] is not None


def test_the_settle_time_of_the_settings_counts(sample: Sample, tracker: Tracker, tmp_path: Path) -> None:
    with_moved_debian(sample)
    settings = tmp_path / "tracker.toml"
    settings.write_text('[watch]\nsettle = "9h"\nsettle_most = "10h"\n')

    (found,) = tracker("--config", str(settings), "stale", "--json").json

    assert (found["verdict"], found["reason"]) == ("wait", "settling")


def test_a_setting_that_cannot_be_used_is_an_error(sample: Sample, tracker: Tracker, tmp_path: Path) -> None:
    settings = tmp_path / "tracker.toml"
    settings.write_text('[watch]\nsettle = "soon"\n')

    answer = tracker("--config", str(settings), "stale")

    assert answer.status == 2
    assert answer.err == (
        "error: setting watch.settle: 'soon' cannot be used\nhint: 'tracker config check' shows every fault\n"
    )


def test_a_base_that_lost_the_platform_is_gone(sample: Sample, tracker: Tracker) -> None:
    sample.observe("debian:12", index_of(arm64="debian on arm"), hours=5)

    answer = tracker("stale")

    assert "blocked: a base no longer has a platform that it is built for" in answer.out
    assert f"{digest_of('debian').short} → gone" in answer.out


def test_blocked_images_come_first(sample: Sample, tracker: Tracker) -> None:
    sample.build(f"{HOST}/free:1", "debian:12", hours=60)
    with_moved_debian(sample)

    verdicts = [found["verdict"] for found in tracker("stale", "--json").json]

    assert verdicts == ["blocked", "rebuild"]
