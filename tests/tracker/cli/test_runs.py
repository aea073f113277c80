"""The list of runs, and their logs byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graph.database import immediate
from rebuild.runs.table import Cause, Runs, Status
from rebuild.tasks.task import Tasks
from tests.graph_samples import HOST, LONG, Sample
from tests.tracker.cli.conftest import Tracker

_PROGRAM = "from tracker.cli.main import main; main()"


def test_no_runs_are_said_in_words(sample: Sample, tracker: Tracker) -> None:
    assert tracker("runs").out == "there are no runs\n"
    assert tracker("runs", "--status", "failed").out == "there are no runs like that\n"
    assert tracker("runs", "--json").json == []


def test_runs_are_listed_newest_first(sample: Sample, tracker: Tracker) -> None:
    sample.run(Tasks(sample.sql).named("base"), Status.FAILED, hours=5, took_s=3671)
    sample.run(None, Status.QUEUED, hours=1, images=[LONG])

    lines = tracker("runs").lines

    started = sample.ago(5).strftime("%Y-%m-%d %H:%M:%S")
    assert lines[0].split("  ")[0] == "RUN ID"
    assert lines[1].split() == ["a2", "-", "linux/amd64", "Queued", "quick", "-", "-"]
    assert lines[2].split() == [
        "a1",
        "base",
        "linux/amd64",
        "Failed",
        "base-image",
        *started.split(),
        "01:01:11",
    ]
    assert all(len(line) <= 80 for line in lines)


def test_runs_are_chosen_by_task_status_and_number(sample: Sample, tracker: Tracker) -> None:
    base, other = Tasks(sample.sql).named("base"), Tasks(sample.sql).named("img-b")
    sample.run(base, Status.SUCCEEDED, hours=5)
    sample.run(other, Status.FAILED, hours=4)
    sample.run(base, Status.FAILED, hours=3)

    def chosen(*words: str) -> list[str]:
        return [run["run_id"] for run in tracker("runs", "--json", *words).json]

    assert chosen() == ["a3", "a2", "a1"]
    assert chosen("--task", "base") == ["a3", "a1"]
    assert chosen("--status", "failed") == ["a3", "a2"]
    assert chosen("--task", "base", "--status", "Failed") == ["a3"]
    assert chosen("--top", "1") == ["a3"]


def test_the_json_of_a_run_tells_images_trigger_and_error(sample: Sample, tracker: Tracker) -> None:
    sample.run(None, Status.ERROR, hours=5, images=[LONG], took_s=9, error="registry down")

    (run,) = tracker("runs", "--json").json

    assert (run["images"], run["cause"], run["error"]) == ([LONG], "quick", "registry down")
    assert (run["status"], run["task"], run["duration_s"]) == ("Error", None, 9.0)


def test_the_runs_of_one_wave_say_so(sample: Sample, tracker: Tracker) -> None:
    (base,) = sample.sql.execute("SELECT id FROM tasks WHERE name = 'base'").fetchone()
    with immediate(sample.sql):
        wave = Runs(sample.sql).add_wave([base], 1.0, 1.0, sample.at)
        definition = Tasks(sample.sql).get(base).definition
        run = Runs(sample.sql).add(definition, Cause.COMMIT, sample.at, task_id=base, wave_id=wave)

    (told,) = tracker("runs", "--json").json
    shown = tracker("task", "show-run", "--run-id", run.run_id).out

    assert told["wave"] == wave
    assert f"wave {wave}" in " ".join(shown.split())


def test_an_unknown_task_is_an_error_that_names_the_known_ones(sample: Sample, tracker: Tracker) -> None:
    answer = tracker("runs", "--task", "bass")

    assert answer.status == 1
    assert answer.err == "error: there is no task 'bass'\nhint: the tasks are base, img-b, img-c, img-d\n"


def test_a_log_is_printed_byte_for_byte(
    sample: Sample, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    from tracker.cli.main import run

    log = bytes(range(256)) * 1000 + b"\x1b[31mno line end"
    sample.run(None, Status.SUCCEEDED, hours=1, took_s=9, images=[LONG], log=log)

    status = run(["--state", str(tmp_path / "state"), "logs", "a1"])

    printed = capsysbinary.readouterr()
    assert (status, printed.out) == (0, log)
    assert printed.err == b"run a1: Succeeded after 00:00:09\n"


def test_a_log_is_found_by_task_and_by_image(sample: Sample, tracker: Tracker) -> None:
    base = Tasks(sample.sql).named("base")
    sample.run(base, Status.SUCCEEDED, hours=5, log=b"older\n")
    sample.run(base, Status.FAILED, hours=4, log=b"newer\n", error="exit status 1\nand more")
    sample.run(None, Status.SUCCEEDED, hours=3, images=[LONG], log=b"quick\n")

    assert tracker("logs", "--task", "base").out == "newer\n"
    assert tracker("logs", "--task", "base").err == "run a2: Failed after 00:01:00: exit status 1 and more\n"
    assert tracker("logs", "--image", f"{HOST}/base:1").out == "newer\n"
    assert tracker("logs", "--image", LONG).out == "quick\n"


def test_a_log_is_asked_for_in_exactly_one_way(sample: Sample, tracker: Tracker) -> None:
    assert tracker("logs").status == 2
    assert tracker("logs", "a1", "--task", "base").status == 2


def test_an_unknown_run_is_an_error(sample: Sample, tracker: Tracker) -> None:
    answer = tracker("logs", "../../etc/passwd")

    assert (answer.status, answer.out) == (1, "")
    assert answer.err == "error: there is no run '../../etc/passwd'\nhint: 'tracker runs' lists them\n"


def test_a_task_or_image_without_a_run_is_an_error(sample: Sample, tracker: Tracker) -> None:
    assert tracker("logs", "--task", "base").err.startswith("error: task 'base' has no run yet")
    assert tracker("logs", "--image", "debian:12").err.startswith("error: image debian:12 has no run yet")


def test_a_log_that_is_gone_says_which_setting_let_it_go(sample: Sample, tracker: Tracker) -> None:
    sample.run(None, Status.SUCCEEDED, hours=900, images=[LONG])

    answer = tracker("logs", "a1")

    assert answer.status == 1
    assert "the log of run a1 is gone" in answer.err
    assert "rebuild.keep_logs" in answer.err


def test_a_queued_run_has_no_log_yet(sample: Sample, tracker: Tracker) -> None:
    sample.run(None, Status.QUEUED, hours=1, images=[LONG])

    answer = tracker("logs", "a1")

    assert answer.status == 1
    assert answer.err == "error: run a1 is queued and has no log yet\nhint: --follow waits for it\n"


def test_following_a_finished_run_ends_at_once(sample: Sample, tracker: Tracker) -> None:
    sample.run(None, Status.SUCCEEDED, hours=1, images=[LONG], log=b"all of it\n")

    assert tracker("logs", "a1", "--follow").out == "all of it\n"


def test_following_prints_what_is_added_until_the_run_has_finished(sample: Sample) -> None:
    """The real process: it prints each piece as it comes, and ends when the run does."""
    run = sample.run(None, Status.RUNNING, hours=0, images=[LONG], log=b"first\n")
    words = ["--state", str(sample.state.folder), "logs", run.run_id, "--follow"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER")}

    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        with (sample.state.logs / f"{run.run_id}.log").open("ab") as log:
            log.write(b"second\n")
        second = process.stdout.readline()
        with (sample.state.logs / f"{run.run_id}.log").open("ab") as log:
            log.write(b"the end, without a line end")
        sample.finish(run, Status.FAILED)
        rest, said = process.stdout.read(), process.stderr.read()

    assert (first, second, rest) == (b"first\n", b"second\n", b"the end, without a line end")
    assert said.startswith(b"run a1: Failed after ")
    assert process.returncode == 0
