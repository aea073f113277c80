"""The command line as a whole: what it imports, how it fails, what it tells of itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rebuild.runs.table import Status
from tests.graph_samples import LONG, Sample, with_moved_debian
from tests.tracker.cli.conftest import Tracker
from tracker.cli.main import COMMANDS, SECTIONS

_IMPORTED = """
import sys
from tracker.cli.main import run
status = run(sys.argv[1:])
print("imported", status, *sorted(name.partition(".")[0] for name in sys.modules))
"""
_HEAVY = frozenset(
    [
        "aiohttp",
        "anyio",
        "apscheduler",
        "asyncio",
        "dockerfile_parse",
        "fastapi",
        "httpx",
        "pydantic",
        "prometheus_client",
        "rich",
        "sqlite_utils",
        "structlog",
        "tenacity",
        "uvicorn",
    ]
)
_READING = [
    "deps img-d:1",
    "deps img-d:1 --json",
    "rdeps debian:12",
    "images",
    "stale",
    "why base:1",
    "plan",
    "plan base:1",
    "graph --format json",
    "runs",
    "logs a1",
]


@pytest.mark.parametrize("words", _READING)
def test_a_command_that_only_looks_imports_nothing_heavy(words: str, sample: Sample) -> None:
    with_moved_debian(sample)
    sample.run(None, Status.SUCCEEDED, hours=1, images=[LONG], log=b"log\n")
    command = [sys.executable, "-c", _IMPORTED, "--state", str(sample.state.folder), *words.split()]

    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)

    status, *modules = done.stdout.splitlines()[-1].split()[1:]
    assert status == "0"
    assert _HEAVY.isdisjoint(modules), sorted(_HEAVY.intersection(modules))


@pytest.mark.parametrize("words", _READING)
def test_looking_changes_nothing(words: str, sample: Sample, tracker: Tracker) -> None:
    sample.run(None, Status.SUCCEEDED, hours=1, images=[LONG], log=b"log\n")
    before = list(sample.sql.iterdump())

    assert tracker(*words.split()).status == 0

    assert list(sample.sql.iterdump()) == before


def test_a_misspelt_command_is_wrong_use_and_names_its_neighbours(tracker: Tracker) -> None:
    answer = tracker("dep")

    assert answer.status == 2
    assert "'deps'" in answer.err
    assert "hint: 'tracker --help'" in answer.err


def test_a_missing_argument_says_where_to_read(tracker: Tracker) -> None:
    answer = tracker("deps")

    assert answer.status == 2
    assert answer.err == "error: Missing argument 'IMAGE'.\nhint: 'tracker deps --help' says what it takes\n"


def test_every_command_is_in_the_help(tracker: Tracker) -> None:
    out = tracker("--help").out

    assert [name for name in COMMANDS if f"\n  {name} " not in out] == []


@pytest.mark.parametrize("name", ["deps", "rdeps", "images", "stale", "why", "plan", "graph", "runs", "logs"])
def test_the_help_of_a_command_fits_80_columns(name: str, tracker: Tracker) -> None:
    answer = tracker(name, "--help")

    assert answer.status == 0
    assert all(len(line) <= 80 for line in answer.lines)


def test_a_reader_that_has_seen_enough_is_no_error(sample: Sample) -> None:
    program = "from tracker.cli.main import main; main()"
    words = [sys.executable, "-c", program, "--state", str(sample.state.folder), "images", "--json"]
    read_end, write_end = os.pipe()
    os.close(read_end)

    with os.fdopen(write_end, "wb") as closed:
        done = subprocess.run(words, stdout=closed, stderr=subprocess.PIPE, check=False)

    assert done.stderr == b""


def test_a_terminal_without_box_drawing_gets_question_marks(sample: Sample) -> None:
    program = "from tracker.cli.main import main; main()"
    words = [sys.executable, "-c", program, "--state", str(sample.state.folder), "deps", "img-d:1"]

    done = subprocess.run(
        words, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"?? registry.example.com:5000/img-b:1" in done.stdout


def test_every_command_stands_in_one_section_of_the_help() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)


PROGRAM = [sys.executable, "-c", "from tracker.cli.main import main; main()"]


@pytest.mark.parametrize("words", ["--help", "images", "images --json", "task list --json", "logs a1"])
def test_output_that_has_no_room_is_one_error(words: str, sample: Sample) -> None:
    sample.run(None, Status.SUCCEEDED, hours=1, images=[LONG], log=b"log\n")

    with Path("/dev/full").open("wb") as full:
        command = [*PROGRAM, "--state", str(sample.state.folder), *words.split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "error: the output: No space left on device\nhint: make room on that disk\n"


def test_a_user_without_a_home_is_no_traceback(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CONFIG_HOME")}
    # Modules are loaded before: a checkout below /root is closed to that user.
    program = (
        "import os, sys; from tracker.cli.main import run; run(['--state=/of/root', 'images']);"
        "os.setuid(54321); sys.exit(run(['images']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**kept, "PYTHONPATH": str(Path.cwd())},
        cwd="/",
        check=False,
    )

    assert done.returncode == 1
    of_root, of_user = (
        line for line in done.stderr.splitlines() if line.startswith("error: no database at ")
    )
    assert "/of/root/" in of_root and "/of/root/" not in of_user


def test_a_fault_of_our_own_is_told_without_a_traceback(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("tracker.cli.login.registry_of", fail)

    done = tracker("login", "localhost:5000")

    assert done.status == 1
    assert done.err.startswith("error: a fault of tracker itself: ZeroDivisionError: by nothing\nhint: ")


def test_a_database_of_a_newer_version_is_not_written_to(sample: Sample, tracker: Tracker) -> None:
    sample.task("web")
    sample.sql.execute(
        "INSERT INTO _sqlite_migrations(migration_set, name, applied_at) VALUES ('rebuild', 'later', '2030')"
    )
    sample.sql.commit()

    done = tracker("task", "delete", "-n", "web", "-y")

    assert done.status == 1
    assert "is of a newer version of tracker" in done.err
    assert "web" in [task["name"] for task in tracker("task", "list", "--json").json]


def test_an_option_without_its_value_says_where_to_read(tracker: Tracker) -> None:
    done = tracker("task", "timer", "add", "--schedule")

    assert done.status == 2
    assert "\nhint: " in done.err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tracker ta", ["task"]),
        ("tracker task cre", ["create", "credential"]),
        ("tracker task show --na", ["--name"]),
        ("tracker --state STATE task show -n img-", ["img-b", "img-c", "img-d"]),
        ("tracker --state STATE task show-run --run-id a", ["a1"]),
        ("tracker --state /nonexistent task show -n w", []),
        ("tracker nothing x", []),
    ],
)
def test_a_shell_completes_commands_options_tasks_and_runs(
    sample: Sample, typed: str, offered: list[str]
) -> None:
    sample.run(None, Status.SUCCEEDED, hours=1, images=[LONG])
    words = typed.replace("STATE", str(sample.state.folder))
    asked = {"_TRACKER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}

    done = subprocess.run(PROGRAM, capture_output=True, text=True, env={**os.environ, **asked}, check=False)

    assert done.stderr == ""
    assert [line.removeprefix("plain,") for line in done.stdout.split()] == offered
