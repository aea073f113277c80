"""Commands with `--server` say and do what they say and do here: the same words, files, exit status."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rebuild.secrets.api_token import Scope
from tests.tracker.cli.conftest import Answer, Tracker
from tests.tracker.remote.desk_service import DeskService, desk_service

TASK_FILE = "version: v1.1.0\nsteps:\n  - cmd: busybox echo {{.Values.who}}\n"
DECLARED = """\
name: web
context: app
images: [web:1]
timers:
  - schedule: 0 4 * * *
credentials:
  - registry: localhost:5000
    username: bob
    password: env:PASSWORD
---
name: greeting
cmd: busybox echo hello
"""
_TIMES = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+Z)?|after \d+ ms")
CREATE = ["task", "create", "-n", "web", "-c", "APP", "-t", "web:1"]
Say = Callable[..., Answer]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM debian:12 AS made\n\nFROM alpine:3.20\nCOPY --from=made /a /b\n")
    (folder / "acb.yaml").write_text(TASK_FILE)
    (tmp_path / "tasks.yaml").write_text(DECLARED)
    (tmp_path / "wrong.yaml").write_text("name: web\ncontext: app\nnot_there: 1\n---\nname: a b\n")
    return folder


@pytest.fixture
def service(tmp_path: Path) -> Iterator[DeskService]:
    with desk_service(tmp_path / "there") as made:
        yield made


@pytest.fixture(autouse=True)
def same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER__REGISTRY", "registry.example.com")
    monkeypatch.setenv("TRACKER__REBUILD__TIMEOUT", "600")


@pytest.fixture
def here(tracker: Tracker, app: Path, tmp_path: Path) -> Say:
    return lambda *words: _same(tracker(*_placed(words, app, tmp_path)))


@pytest.fixture
def there(tracker: Tracker, app: Path, tmp_path: Path, service: DeskService) -> Say:
    def say(*words: str) -> Answer:
        return _same(tracker(*_placed(words, app, tmp_path), "--server", service.socket))

    return say


def _placed(words: tuple[str, ...], app: Path, folder: Path) -> list[str]:
    return [word.replace("APP", str(app)).replace("FOLDER", str(folder)) for word in words]


def _same(answer: Answer) -> Answer:
    """Without what differs from one moment to the next."""
    return Answer(answer.status, *(_TIMES.sub("TIME", text) for text in (answer.out, answer.err)))


SHOW = [["task", "show", "-n", "web"], ["task", "show", "-n", "web", "--json"]]
STORIES = {
    "create": [CREATE, *SHOW, ["task", "list"], ["task", "list", "--json"]],
    "create with everything": [
        [
            *CREATE, "--arg", "A=1", "--target", "made", "--timeout", "30m", "--platform", "arm64",
            "--no-push", "--schedule", "night:0 4 * * *", "--status", "Disabled",
            "--base-image-trigger-type", "Runtime",
            "--base-image-trigger-name", "mine", "--secret-arg", "npm=vault:a/b#c",
        ],
        *SHOW,
    ],
    "create and print": [[*CREATE, "--json"]],
    "a git context": [
        [
            "task", "create", "-n", "web", "-c", "https://127.0.0.1:1/a.git#main", "-t", "web:1",
            "--trigger-branch", "release/*", "--trigger-path", "app/", "--pull-request-trigger-enabled",
        ],
        *SHOW,
        ["task", "update", "-n", "web", "--remove", "source-trigger"],
        *SHOW,
    ],
    "a command": [["task", "create", "-n", "web", "--cmd", "busybox true"], *SHOW],
    "a task file of this machine": [
        ["task", "create", "-n", "web", "-f", "APP/acb.yaml", "--set", "who=me", "-c", "/dev/null"],
        ["task", "update", "-n", "web", "-f", "APP/acb.yaml", "--set", "who=you"],
        *SHOW,
    ],
    "no image": [["task", "create", "-n", "web", "-c", "APP"]],
    "taken": [CREATE, CREATE],
    "update": [
        [*CREATE, "--arg", "A=1", "--target", "made", "--schedule", "0 4 * * *"],
        ["task", "update", "-n", "web", "--timeout", "60", "--target", "", "--status", "Disabled"],
        *SHOW,
        ["task", "update", "-n", "web", "--remove", "timers", "--remove", "base-image-trigger", "--arg", ""],
        *SHOW,
        ["task", "update", "-n", "web", "--set", "a=b"],
        ["task", "update", "-n", "none", "--timeout", "60"],
    ],
    "delete": [
        CREATE,
        ["task", "delete", "-n", "web", "--yes"],
        ["task", "delete", "-n", "web", "--yes"],
        ["task", "list"],
        ["task", "show", "-n", "web"],
    ],
    "timers": [
        CREATE,
        ["task", "timer", "list", "-n", "web"],
        ["task", "timer", "add", "-n", "web", "--timer-name", "t", "--schedule", "0 4 * * *"],
        ["task", "timer", "add", "-n", "web", "--timer-name", "t", "--schedule", "0 5 * * *"],
        ["task", "timer", "add", "-n", "web", "--timer-name", "u", "--schedule", "0 4 * * *"],
        ["task", "timer", "add", "-n", "web", "--timer-name", "u", "--schedule", "0 25 * * *"],
        ["task", "timer", "add", "-n", "none", "--timer-name", "u", "--schedule", "0 2 * * *"],
        ["task", "timer", "update", "-n", "web", "--timer-name", "t", "--time-zone", "Europe/Berlin"],
        ["task", "timer", "update", "-n", "web", "--timer-name", "t", "--enabled", "false"],
        ["task", "timer", "update", "-n", "web", "--timer-name", "none", "--enabled", "false"],
        ["task", "timer", "update", "-n", "web", "--timer-name", "t", "--time-zone", "Nowhere/Here"],
        ["task", "timer", "list", "-n", "web"],
        ["task", "timer", "list", "-n", "web", "--json"],
        ["task", "timer", "remove", "-n", "web", "--timer-name", "t"],
        ["task", "timer", "remove", "-n", "web", "--timer-name", "t"],
        ["task", "timer", "list", "-n", "none"],
    ],
    "credentials": [
        CREATE,
        ["task", "credential", "list", "-n", "web"],
        [
            "task", "credential", "add", "-n", "web", "--login-server", "LOCALHOST:5000", "-u", "bob", "-p",
            "vault:a/b#c",
        ],
        ["task", "credential", "add", "-n", "web", "--login-server", "localhost:5000", "-p", "vault:a/b#c"],
        ["task", "credential", "add", "-n", "web", "--login-server", "localhost:5000"],
        ["task", "credential", "add", "-n", "none", "--login-server", "localhost:5000", "-p", "vault:a/b#c"],
        ["task", "credential", "update", "-n", "web", "--login-server", "localhost:5000", "-p", "vault:d/e#"],
        ["task", "credential", "update", "-n", "web", "--login-server", "localhost:5000", "-u", "alice"],
        ["task", "credential", "update", "-n", "web", "--login-server", "localhost:5000"],
        ["task", "credential", "update", "-n", "web", "--login-server", "other:1", "-p", "vault:d/e#f"],
        ["task", "credential", "list", "-n", "web"],
        ["task", "credential", "list", "-n", "web", "--json"],
        ["task", "credential", "remove", "-n", "web", "--login-server", "localhost:5000"],
        ["task", "credential", "remove", "-n", "web", "--login-server", "localhost:5000"],
        ["task", "credential", "list", "-n", "none"],
    ],
    "apply": [
        ["task", "apply", "FOLDER/tasks.yaml", "--dry-run"],
        ["task", "apply", "FOLDER/tasks.yaml", "--dry-run", "--json"],
        ["task", "list", "--json"],
        ["task", "create", "-n", "old", "--cmd", "busybox true"],
        ["task", "apply", "FOLDER/tasks.yaml"],
        *SHOW,
        ["task", "apply", "FOLDER/tasks.yaml"],
        ["task", "apply", "FOLDER/tasks.yaml", "--prune", "--json"],
        ["task", "list"],
        ["task", "apply", "FOLDER/wrong.yaml"],
        ["task", "apply", "FOLDER/app"],
    ],
    "runs": [
        CREATE,
        ["task", "show-run", "--run-id", "a9"],
        ["task", "cancel-run", "--run-id", "a9"],
        ["task", "update-run", "--run-id", "a9", "--no-archive", "false"],
        ["task", "list-runs"],
        ["task", "list-runs", "-n", "none"],
    ],
    "tokens": [
        ["token", "create", "a b"],
        ["token", "revoke", "nobody"],
    ],
    "wrong": [
        ["task", "create", "-n", "web", "-c", "APP/none"],
        ["task", "create", "-n", "web", "-c", "APP", "-f", "none.yaml"],
        ["task", "create", "-n", "web", "-c", "APP", "--target", "none"],
        ["task", "create", "-n", "web", "-c", "-"],
        ["task", "create", "-n", "web"],
        ["task", "create", "-n", "web", "-c", "APP", "-t", "web:{{.Run.Id}}"],
        ["task", "create", "-n", "web", "-c", "APP", "--commit-trigger-enabled"],
        ["task", "create", "-n", "web", "-c", "APP", "--update-trigger-endpoint", "no url"],
        ["task", "list"],
    ],
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES.values(), ids=[*STORIES])
def test_a_command_says_elsewhere_what_it_says_here(here: Say, there: Say, story: list[list[str]]) -> None:
    for words in story:
        assert there(*words) == here(*words), words


@pytest.fixture
def afar(
    tracker: Tracker, app: Path, tmp_path: Path, service: DeskService, monkeypatch: pytest.MonkeyPatch
) -> Say:
    """Over TCP with a token that may write and read, from another machine as far as the service can tell."""
    with_scopes(service, monkeypatch, Scope.READ, Scope.WRITE)

    def say(*words: str) -> Answer:
        return _same(tracker(*_placed(words, app, tmp_path), "--server", service.url))

    return say


def with_scopes(service: DeskService, monkeypatch: pytest.MonkeyPatch, *scopes: Scope) -> None:
    monkeypatch.setenv("TRACKER_TOKEN", service.token(*scopes))


GIT = "https://127.0.0.1:1/a.git"


def test_a_folder_of_this_machine_is_none_of_a_service_afar(afar: Say, app: Path) -> None:
    done = afar(*CREATE)

    assert (done.status, done.out) == (2, "")
    assert f"context '{app}' is on the machine of the service" in done.err
    assert "hint: a task outlives an upload: put the files where the service can fetch them" in done.err


def test_a_folder_in_a_file_of_tasks_is_none_of_a_service_afar(afar: Say) -> None:
    done = afar("task", "apply", "FOLDER/tasks.yaml", "--dry-run")

    assert (done.status, done.out) == (2, "")
    assert "is on the machine of the service" in done.err


def test_a_value_is_sealed_there_and_a_source_stays_one(
    afar: Say, service: DeskService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM", "the-value-itself")

    done = afar(
        "task", "create", "-n", "web", "-c", GIT, "-t", "web:1", "--secret-arg", "NPM",
        "--secret-arg", "file=file:/run/x", "--git-access-token", "vault:a/b#c",
    )  # fmt: skip

    shown = json.loads(afar("task", "show", "-n", "web", "--json").out)
    assert done.status == 0
    assert "note: file: file:/run/x is read where the service runs, at each run" in done.err
    assert [(one["use"], one["name"], one["source"]) for one in shown["secrets"]] == [
        ("build", "NPM", "opaque"),
        ("build", "file", "file:/run/x"),
        ("git", "", "vault:a/b#c"),
    ]
    assert not any(b"the-value-itself" in path.read_bytes() for path in service.state.glob("graph.db*"))


def test_a_login_in_the_url_of_a_context_is_sealed_there(afar: Say, service: DeskService) -> None:
    done = afar(
        "task", "create", "-n", "web", "-c", "https://bob:s3cret-word@127.0.0.1:1/a.git", "-t", "web:1"
    )

    shown = json.loads(afar("task", "show", "-n", "web", "--json").out)
    assert "a login on a command line" in done.err
    assert shown["context"] == GIT
    assert shown["secrets"] == [{"use": "git", "name": "", "source": "opaque"}]
    assert not any(b"s3cret-word" in path.read_bytes() for path in service.state.glob("graph.db*"))


def test_a_password_of_standard_input_is_sealed_there(
    afar: Say, service: DeskService, monkeypatch: pytest.MonkeyPatch
) -> None:
    afar("task", "create", "-n", "web", "--cmd", "busybox true")
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cret-word\n"))

    done = afar(
        "task", "credential", "add", "-n", "web", "--login-server", "localhost:5000", "-u", "env:USER",
        "--password-stdin",
    )  # fmt: skip

    listed = json.loads(afar("task", "credential", "list", "-n", "web", "--json").out)
    assert done.err.splitlines() == [
        "note: user name: env:USER is read where the service runs, at each run",
        "task web has a credential for localhost:5000",
    ]
    assert (listed[0]["username"], listed[0]["password"]) == ("env:USER", "opaque")
    assert not any(b"s3cret-word" in path.read_bytes() for path in service.state.glob("graph.db*"))


def test_a_token_that_may_only_read_changes_nothing(
    afar: Say, service: DeskService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_scopes(service, monkeypatch, Scope.READ)

    for words in (
        ["task", "create", "-n", "web", "--cmd", "busybox true"],
        ["task", "apply", "FOLDER/tasks.yaml", "--dry-run"],
        ["token", "create", "more"],
        ["token", "list"],
    ):
        done = afar(*words)
        assert (done.status, done.out) == (2, "")
        assert "has not the scope" in done.err
    assert json.loads(afar("task", "list", "--json").out) == []


def test_tokens_are_made_listed_and_revoked_elsewhere(
    afar: Say, service: DeskService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_scopes(service, monkeypatch, Scope.ADMIN)

    made = afar("token", "create", "ci", "--scope", "read", "--expires", "90d")
    listed = json.loads(afar("token", "list", "--json").out)
    revoked = afar("token", "revoke", "ci")

    assert made.out.startswith("trk_")
    assert made.err == "token ci (read): keep it now, it is not shown again\n"
    assert ("ci", ["read"]) in [(one["name"], one["scopes"]) for one in listed]
    assert (revoked.status, revoked.err) == (0, "token ci is revoked\n")
    assert "ci" not in [one["name"] for one in json.loads(afar("token", "list", "--json").out)]


def test_a_service_of_another_kind_is_told_as_one(tracker: Tracker, service: DeskService) -> None:
    done = tracker("task", "list", "--server", f"{service.url}/nothing-here")

    assert done.status == 1
    assert "the service answered 404" in done.err
