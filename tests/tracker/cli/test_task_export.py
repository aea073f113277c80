"""`tracker task export`: what it prints declares the tasks as they are, and no value of a secret is in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracker.cli.conftest import Answer, Tracker
from tests.tracker.remote.desk_service import desk_service

DECLARED = """\
name: docker
context: app
file: Dockerfile
images: ["localhost:5000/web:{{.Run.ID}}", "localhost:5000/web:1.10"]
args: {VERSION: "1.10", EMPTY: "", TEXT: "yes: no # ünïcode"}
target: made
push: false
no_cache: true
platform: linux/arm64
timeout: 1h30m
status: Disabled
timers:
  - {name: nightly, schedule: "0 4 * * Mon-Fri", time_zone: Europe/Berlin}
  - {schedule: "0 5 * * *", enabled: false}
base_image_trigger:
  {name: mine, type: Runtime, update_endpoint: "https://a.example.com/x", update_payload: Token,
   syntax: false, follow: ["python:3.12.*"]}
secret_args: {npm: "env:NPM", other: "file:/run/x"}
credentials: [{registry: "localhost:5000", password: "vault:a/b#c"}]
---
name: git
context: https://127.0.0.1:1/a.git#main:folder
file: acb.yaml
values_file: values.yaml
values: {a: "022"}
source_trigger: {pull_request: true, branches: [main, "rel/*"], tags: ["v*"], paths: ["!docs/"], forks: true}
git_access_token: vault:secret/git#token
secret_values: {b: "env:B"}
---
name: quiet
context: https://127.0.0.1:1/a.git
source_trigger: {commit: false}
base_image_trigger: {enabled: false}
timeout: 1500ms
---
name: tarball
context: https://127.0.0.1:1/a.tar.gz
context_query: env:SIGNATURE
---
name: inline
task_file: |
  version: v1.1.0
  steps:
    - cmd: busybox echo {{.Values.who}}
  # ---
values_text: "who: me\\n"
---
name: command
cmd: "busybox echo 'a: b # c'"
"""


@pytest.fixture(params=["here", "there"])
def apply(
    request: pytest.FixtureRequest, tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tracker]:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Dockerfile").write_text("FROM debian:12 AS made\n")

    def applied(text: str, *options: str) -> Answer:
        (tmp_path / "tasks.yaml").write_text(text)
        return tracker("task", "apply", str(tmp_path / "tasks.yaml"), *options)

    with contextlib.ExitStack() as stack:
        if request.param == "there":
            monkeypatch.setenv("TRACKER_SERVER", stack.enter_context(desk_service(tmp_path)).socket)
        yield applied


def test_what_is_exported_declares_the_tasks_as_they_are(apply: Tracker, tracker: Tracker) -> None:
    apply(DECLARED)

    printed = tracker("task", "export")

    assert (printed.status, printed.err) == (0, "")
    assert apply(printed.out, "--prune").out == "tasks: 6 as declared; nothing to do\n"


def test_what_is_exported_makes_the_same_tasks_anew(apply: Tracker, tracker: Tracker) -> None:
    apply(DECLARED)
    printed = tracker("task", "export").out
    for name in ("docker", "git", "quiet", "tarball", "inline", "command"):
        tracker("task", "delete", "-n", name, "--yes")

    done = apply(printed)

    assert done.lines[-1] == "tasks: 6 created"
    assert tracker("task", "export").out == printed


def test_one_task_is_exported_by_its_name(apply: Tracker, tracker: Tracker) -> None:
    apply(DECLARED)

    assert tracker("task", "export", "-n", "command", "-n", "quiet").out.count("name: ") == 2
    assert tracker("task", "export", "-n", "nothing").status == 1


def test_a_value_of_a_secret_is_left_out_and_told_so(apply: Tracker, tracker: Tracker) -> None:
    tracker(
        "task", "create", "-n", "web", "--cmd", "busybox true", "--set-secret", "a=hunter2",
        "--set-secret", "b=env:B",
    )  # fmt: skip
    tracker("task", "credential", "add", "-n", "web", "--login-server", "r.io", "-u", "bob", "-p", "env:P")

    printed = tracker("task", "export")

    assert "warning: task web: secret_values left out" in printed.err
    assert "warning: task web: credentials left out" in printed.err
    assert "hunter2" not in printed.out and "bob" not in printed.out
    assert apply(printed.out).out == "tasks: 1 as declared; nothing to do\n"


def test_a_task_file_that_was_typed_is_exported_with_its_values(
    apply: Tracker, tracker: Tracker, tmp_path: Path
) -> None:
    (tmp_path / "acb.yaml").write_text("steps:\n  - cmd: busybox echo {{.Values.who}}\n")
    (tmp_path / "values.yaml").write_text("who: me\n")
    tracker(
        "task", "create", "-n", "typed", "-c", "/dev/null", "-f", str(tmp_path / "acb.yaml"),
        "--values", str(tmp_path / "values.yaml"),
    )  # fmt: skip

    assert apply(tracker("task", "export").out).out == "tasks: 1 as declared; nothing to do\n"
