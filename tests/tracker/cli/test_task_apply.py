"""`tracker task apply`: the saved tasks become the declared ones, all of them or none, and twice is once."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.tracker.cli.conftest import Answer, Tracker

WEB = """\
name: web
context: app
images: [localhost:5000/web:1]
timers:
  - name: nightly
    schedule: 0 4 * * *
secret_args:
  npm: env:NPM
credentials:
  - registry: localhost:5000
    username: bob
    password: env:PASSWORD
"""
GREETING = "name: greeting\ncmd: busybox echo hello\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Dockerfile").write_text("FROM debian:12\n")
    return tmp_path


@pytest.fixture
def apply(tracker: Tracker, folder: Path) -> Tracker:
    def applied(text: str, *options: str) -> Answer:
        (folder / "tasks.yaml").write_text(text)
        return tracker("task", "apply", str(folder / "tasks.yaml"), *options)

    return applied


def names(tracker: Tracker) -> list[str]:
    return [task["name"] for task in tracker("task", "list", "--json").json]


def test_declared_tasks_are_created_with_all_that_belongs_to_them(apply: Tracker, tracker: Tracker) -> None:
    done = apply(f"{WEB}---\n{GREETING}")

    web = tracker("task", "show", "-n", "web", "--json").json
    assert done.lines[-1] == "tasks: 2 created"
    assert web["context"].endswith("/app")
    assert [timer["name"] for timer in web["timers"]] == ["nightly"]
    assert web["secrets"] == [{"use": "build", "name": "npm", "source": "env:NPM"}]
    assert web["credentials"] == [
        {"registry": "localhost:5000", "username": "opaque", "password": "env:PASSWORD"}
    ]
    assert [base["reference"] for base in web["bases"]] == ["docker.io/library/debian:12"]


def test_twice_is_once(apply: Tracker, tracker: Tracker) -> None:
    apply(f"{WEB}---\n{GREETING}")
    before = tracker("task", "list", "--json").json

    assert apply(f"{WEB}---\n{GREETING}").out == "tasks: 2 as declared; nothing to do\n"
    assert tracker("task", "list", "--json").json == before


def test_a_dry_run_shows_the_difference_and_changes_nothing(apply: Tracker, tracker: Tracker) -> None:
    apply(WEB)
    before = tracker("task", "list", "--json").json

    done = apply(WEB.replace("0 4 *", "0 5 *") + f"---\n{GREETING}", "--dry-run")

    assert "~ web\n    timers.nightly.schedule: 0 4 * * * → 0 5 * * *\n" in done.out
    assert "+ greeting\n" in done.out
    assert tracker("task", "list", "--json").json == before


def test_another_value_is_noticed_and_not_shown(apply: Tracker) -> None:
    apply(WEB)

    done = apply(WEB.replace("bob", "alice"))

    assert "credentials.localhost:5000.username: opaque → opaque, another" in done.out
    assert "alice" not in done.out + done.err
    assert apply(WEB.replace("bob", "alice")).out == "tasks: 1 as declared; nothing to do\n"


def test_secrets_and_credentials_of_which_nothing_is_said_stay(apply: Tracker, tracker: Tracker) -> None:
    apply(WEB)

    apply("name: web\ncontext: app\nimages: [localhost:5000/web:2]\n")

    web = tracker("task", "show", "-n", "web", "--json").json
    assert web["step"]["images"] == ["localhost:5000/web:2"]
    assert web["timers"] == []
    assert (len(web["secrets"]), len(web["credentials"])) == (1, 1)


def test_other_tasks_are_removed_only_when_that_is_asked_for(apply: Tracker, tracker: Tracker) -> None:
    apply(WEB)

    apply(GREETING)
    assert names(tracker) == ["greeting", "web"]

    assert "- web\n" in apply(GREETING, "--prune").out
    assert names(tracker) == ["greeting"]


def test_a_folder_is_all_its_files(tracker: Tracker, folder: Path) -> None:
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / "web.yaml").write_text(WEB.replace("app\n", "../app\n"))
    (tasks / "greeting.yml").write_text(GREETING)
    (tasks / "README.md").write_text("not a task")

    assert tracker("task", "apply", str(tasks)).status == 0
    assert names(tracker) == ["greeting", "web"]


def test_all_faults_are_told_at_once_with_their_places_and_nothing_is_saved(
    apply: Tracker, tracker: Tracker, folder: Path
) -> None:
    done = apply(
        GREETING
        + "---\nname: a b\ncontext: app\ncolour: red\nsecret_args: {npm: hunter2}\n"
        + "---\nname: web\ncontext: app\ntimers:\n  - schedule: 0 25 * * *\nbase_image_trigger: {type: No}\n"
        + "---\nname: greeting\ncmd: busybox\n"
        + "---\nname: x\ncontext: app\ntimeout: soon\ncredentials:\n  - {registry: 'a b', password: env:P}\n"
    )

    where = folder / "tasks.yaml"
    assert done.status == 2
    assert done.err.replace(f"{where}:", "").splitlines()[:-1] == [
        "error: 4: task name 'a b' is not valid: 1 to 50 letters, digits, '_' and '-'; write 'a-b'",
        "6: the task has no property 'colour'",
        "7: npm is a value, and a file of tasks is no place for secrets; write where it comes from:"
        " env:NAME, file:/PATH, credential:NAME or vault:PATH#KEY",
        "12: schedule '0 25 * * *': hour '25' is not 0 to 23; write minute hour day month weekday,"
        " such as '0 21 * * *' for nine in the evening",
        "13: type 'No' is none of All, Runtime",
        "15: task greeting is declared twice; it is at 1 already",
        "20: timeout 'soon' is no time; write 3600, 30m or 2h",
        "22: 'a b' is not a registry; write host or host:port, such as shop.azurecr.io",
    ]
    assert "hunter2" not in done.err
    assert tracker("task", "list", "--json").out in ("", "[]\n")


def test_a_task_whose_dockerfile_is_wrong_leaves_all_as_they_are(
    apply: Tracker, tracker: Tracker, folder: Path
) -> None:
    apply(WEB)
    (folder / "app/Dockerfile").write_text("FRO debian\n")

    done = apply(WEB.replace("web:1", "web:2") + f"---\n{GREETING}")

    assert done.status == 2
    assert "Dockerfile:1: " in done.err
    assert names(tracker) == ["web"]


def test_the_sample_in_config_is_understood(tracker: Tracker) -> None:
    sample = Path(__file__).parents[3] / "config/tasks.yaml"

    done = tracker("task", "apply", str(sample), "--dry-run")

    assert (done.status, done.lines[-1]) == (0, "tasks: 3 to create")


def test_tasks_may_be_declared_on_standard_input(
    tracker: Tracker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GREETING.encode())))

    done = tracker("task", "apply", "-")

    assert (done.status, done.lines[-1]) == (0, "tasks: 1 created")
    assert names(tracker) == ["greeting"]


def test_a_task_that_is_renamed_is_a_new_one_and_the_old_one_goes_with_prune(
    apply: Tracker, tracker: Tracker
) -> None:
    apply(GREETING)

    done = apply(GREETING.replace("greeting", "welcome"), "--prune")

    assert done.lines[-1] == "tasks: 1 created, 1 removed"
    assert names(tracker) == ["welcome"]


def test_a_task_without_a_name_is_told_so(apply: Tracker) -> None:
    done = apply("cmd: busybox true\n")

    assert done.status == 2
    assert "the task has no name" in done.err
    assert "not valid" not in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\ncmd: busybox true\nvalues_file: v.yaml\n", "tasks.yaml:3: values_file is for a task file"),
        ("name: a\ncmd: x\ntask_file: 'steps: []'\n", "tasks.yaml:2: cmd and task_file exclude each other"),
        ("name: a\ncmd: x\nstatus: Off\n", "tasks.yaml:3: status 'Off' is neither Enabled nor Disabled"),
        ("name: a\ncontext: app\nvalues_text: 'a: b'\n", "tasks.yaml:3: values_text is for task_file"),
    ],
)
def test_what_would_be_left_unread_is_a_fault(apply: Tracker, text: str, said: str) -> None:
    done = apply(text)

    assert (done.status, said in done.err) == (2, True), done.err


def test_a_declared_task_may_follow_newer_tags_and_leave_out_syntax_lines(
    apply: Tracker, tracker: Tracker
) -> None:
    text = f"{WEB}base_image_trigger:\n  syntax: false\n  follow: ['python:3.12.*', 'ghcr.io/a/b:^1']\n"

    assert apply(text).status == 0
    trigger = tracker("task", "show", "-n", "web", "--json").json["base_image_trigger"]
    assert (trigger["syntax"], trigger["follow"]) == (
        False,
        ["docker.io/library/python:3.12.*", "ghcr.io/a/b:^1"],
    )


def test_a_declared_rule_that_is_none_is_a_fault_with_its_line(apply: Tracker) -> None:
    answer = apply(f"{WEB}base_image_trigger:\n  follow: ['python:3.12']\n")

    assert answer.status == 2
    assert "tasks.yaml:14: rule 'python:3.12': '3.12' is no pattern of several tags" in answer.err
