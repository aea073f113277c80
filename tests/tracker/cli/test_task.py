"""`tracker task`: what is typed is saved, shown, changed and removed; what is wrong changes nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml

from tests.tracker.cli.conftest import Answer, Tracker

DOCKERFILE = "FROM debian:12 AS made\n\nFROM alpine:3.20\nCOPY --from=made /a /b\n"
TASK_FILE = """\
version: v1.1.0
steps:
  - id: made
    build: -t {{.Run.Registry}}/web:{{.Run.ID}} .
  - cmd: busybox echo {{.Values.who}}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "acb.yaml").write_text(TASK_FILE)
    return folder


@pytest.fixture
def create(tracker: Tracker, app: Path) -> Tracker:
    def made(*words: str, name: str = "web", context: str = str(app)) -> Answer:
        return tracker("task", "create", "-n", name, "-c", context, *words)

    return made


def bases(shown: Answer) -> dict[str, str]:
    return {base["reference"]: base["role"] for base in shown.json["bases"]}


def test_the_help_imports_no_command_of_the_group(tracker: Tracker) -> None:
    listed = tracker("task", "--help").out

    for name in ("create", "update", "show", "list", "delete", "run", "logs", "list-runs", "show-run"):
        assert f"\n  {name} " in listed
    for name in ("cancel-run", "update-run", "timer", "credential", "apply"):
        assert f"\n  {name} " in listed


def test_a_task_is_shown_as_it_was_typed(create: Tracker, tracker: Tracker, app: Path) -> None:
    done = create("-t", "localhost:5000/web:{{.Run.ID}}", "--arg", "A=1", "--timeout", "30m")

    shown = tracker("task", "show", "-n", "web", "--json").json
    assert (done.status, done.err) == (0, "task web is saved; 2 bases are watched\n")
    assert shown["context"] == str(app)
    assert shown["step"]["images"] == ["localhost:5000/web:{{.Run.ID}}"]
    assert (shown["step"]["build_args"], shown["timeout_s"]) == ({"A": "1"}, 1800)
    assert shown["base_image_trigger"]["type"] == "All"


def test_bases_of_a_dockerfile_are_watched_before_the_first_run(create: Tracker, tracker: Tracker) -> None:
    create("-t", "localhost:5000/web:1")

    assert bases(tracker("task", "show", "-n", "web", "--json")) == {
        "docker.io/library/alpine:3.20": "runtime",
        "docker.io/library/debian:12": "buildtime",
    }


def test_bases_of_a_task_file_are_those_of_its_builds_and_commands(create: Tracker, tracker: Tracker) -> None:
    create("-f", "acb.yaml", "--set", "who=me")

    found = tracker("task", "show", "-n", "web", "--json")
    assert set(bases(found)) == {
        "docker.io/library/alpine:3.20",
        "docker.io/library/debian:12",
        "docker.io/library/busybox:latest",
    }
    assert {base["step"] for base in found.json["bases"]} == {"made", "acb_step_1"}


def test_the_operators_aliases_of_images_are_watched(
    create: Tracker, tracker: Tracker, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app / "acb.yaml").write_text("version: v1.1.0\nsteps:\n  - cmd: bash true\n  - cmd: $kube true\n")
    monkeypatch.setenv("TRACKER__IMAGE_ALIASES__BASH", "bash:5")
    monkeypatch.setenv("TRACKER__IMAGE_ALIASES__KUBE", "tools/kubectl:1")

    create("-f", "acb.yaml")

    assert set(bases(tracker("task", "show", "-n", "web", "--json"))) == {
        "docker.io/library/bash:5",
        "docker.io/tools/kubectl:1",
    }


def test_an_alias_source_that_cannot_be_had_now_is_a_warning(
    create: Tracker, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app / "acb.yaml").write_text("version: v1.1.0\nalias:\n  src: ['https://127.0.0.1:1/x']\nsteps: []\n")
    monkeypatch.setenv("TRACKER__ALIAS_SOURCES__PRIVATE_ADDRESSES", "true")

    done = create("-f", "acb.yaml")

    assert done.status == 0
    assert "not watched before its first run: acb.yaml:3: alias source" in done.err


def test_a_context_that_cannot_be_had_now_is_a_warning(create: Tracker, tmp_path: Path) -> None:
    done = create("-t", "localhost:5000/web:1", context=f"file://{tmp_path}/nowhere.git")

    assert done.status == 0
    assert "warning: task web: not watched before its first run: the context cannot be had now" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n", "a b", "-c", "APP"], "task name 'a b' is not valid"),
        (["-n", "web"], "a task needs a context"),
        (["-n", "web", "-c", "APP/none"], "is not a folder"),
        (["-n", "web", "-c", "APP", "-f", "Dockerfile.none"], "there is no Dockerfile"),
        (["-n", "web", "-c", "APP", "-f", "none.yaml"], "the context has no file"),
        (["-n", "web", "-c", "APP", "--target", "none"], "none"),
        (["-n", "web", "-c", "APP", "--schedule", "0 25 * * *"], "hour '25' is not 0 to 23"),
        (["-n", "web", "-c", "APP", "--timeout", "soon"], "'soon' is no time"),
        (["-n", "web", "-c", "APP", "--platform", "a/b/c/d"], "a/b/c/d"),
        (["-n", "web", "-c", "APP", "--commit-trigger-enabled", "true"], "is no git repository"),
        (["-n", "web", "-c", "APP", "--secret-arg", "NOT_THERE"], "there is no variable of that name"),
        (["-n", "web", "--cmd", "busybox", "-f", "x.yaml"], "exclude each other"),
        (["-n", "web", "-c", "APP", "-t", "web:{{.Run.Id}}"], "tag '' is not valid"),
    ],
)
def test_what_is_wrong_is_told_and_saves_nothing(
    tracker: Tracker, app: Path, words: list[str], said: str
) -> None:
    done = tracker("task", "create", *[word.replace("APP", str(app)) for word in words])

    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert json.loads(tracker("task", "list", "--json").out or "[]") == []


def test_a_name_that_is_taken_is_refused(create: Tracker) -> None:
    create("-t", "localhost:5000/web:1")

    again = create("-t", "localhost:5000/other:1")

    assert again.status == 2
    assert "there is a task web already" in again.err


def test_a_command_is_quoted_as_it_is(tracker: Tracker) -> None:
    tracker("task", "create", "-n", "ping", "--cmd", 'busybox echo "a: b # c"', "--timeout", "90")

    step = tracker("task", "show", "-n", "ping", "--json").json["step"]
    (written,) = yaml.safe_load(step["text"])["steps"]
    assert written == {
        "cmd": 'busybox echo "a: b # c"',
        "disableWorkingDirectoryOverride": True,
        "timeout": 90,
    }


def test_an_image_whose_name_is_a_secret_is_told_and_not_watched(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("steps: [{cmd: '{{.Values.who}}/tool'}, {cmd: 'busybox:1'}]\n")

    words = ("-c", "/dev/null", "-f", str(tmp_path / "t.yaml"), "--set-secret", "who=env:USER")
    done = tracker("task", "create", "-n", "ping", *words)

    assert "step acb_step_0: an image of it is a secret" in done.err
    assert list(bases(tracker("task", "show", "-n", "ping", "--json"))) == ["docker.io/library/busybox:1"]


def test_a_task_may_wait_for_values_that_its_runs_are_given(
    create: Tracker, tracker: Tracker, app: Path
) -> None:
    (app / "acb.yaml").write_text(
        "version: v1.1.0\nsteps:\n  - build: -t {{.Values.registry}}/web .\n"
        "  - cmd: '{{.Values.image}}'\n  - cmd: busybox\n"
    )

    done = create("-f", "acb.yaml")

    assert done.status == 0
    lacking = "what comes of .Values.registry, .Values.image: empty, and a run has to be given it"
    assert f"warning: task web: not watched before its first run: {lacking}\n" in done.err
    assert set(bases(tracker("task", "show", "-n", "web", "--json"))) == {
        "docker.io/library/alpine:3.20",
        "docker.io/library/busybox:latest",
        "docker.io/library/debian:12",
    }


def test_a_task_file_that_was_typed_keeps_its_name_for_messages(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("steps:\n  - cmd: alpine 'x\n")

    refused = tracker("task", "create", "-n", "ping", "-f", str(tmp_path / "wrong.yaml"), "-c", "/dev/null")

    assert f"error: {tmp_path}/wrong.yaml:2: cmd of step 'acb_step_0' has a '" in refused.err


def test_an_update_keeps_what_is_not_given(create: Tracker, tracker: Tracker) -> None:
    create("-t", "localhost:5000/web:1", "--no-push", "--arg", "A=1", "--schedule", "0 4 * * *")
    before = tracker("task", "show", "-n", "web", "--json").json

    assert tracker("task", "update", "-n", "web", "--timeout", "60").status == 0

    after = tracker("task", "show", "-n", "web", "--json").json
    same = before.keys() - {"timeout_s", "updated_at"}
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert after["timeout_s"] == 60


def test_triggers_and_timers_can_be_taken_away(create: Tracker, tracker: Tracker) -> None:
    create("-t", "localhost:5000/web:1", "--schedule", "0 4 * * *")

    tracker("task", "update", "-n", "web", "--remove", "timers", "--remove", "base-image-trigger")

    after = tracker("task", "show", "-n", "web", "--json").json
    assert (after["timers"], after["base_image_trigger"]["enabled"]) == ([], False)
    assert tracker("task", "list").lines[1].split()[-1] == "-"


def test_the_words_of_a_choice_count_in_any_case(create: Tracker, tracker: Tracker) -> None:
    create("-t", "localhost:5000/web:1", "--base-image-trigger-type", "runtime")

    shown = tracker("task", "show", "-n", "web")
    assert "base images   Runtime: it runs when a base of the final stage moves" in shown.out


def test_a_git_token_that_cannot_be_read_here_is_a_warning(create: Tracker) -> None:
    done = create("-t", "localhost:5000/web:1", "--git-access-token", "env:NOT_THERE_AT_ALL")

    assert done.status == 0
    assert "secret git from env:NOT_THERE_AT_ALL: there is no such variable" in done.err


def test_a_disabled_task_is_listed_as_such(create: Tracker, tracker: Tracker) -> None:
    create("-t", "localhost:5000/web:1", "--status", "Disabled")

    line = tracker("task", "list").lines[1]
    assert line.split()[:3] == ["web", "linux/amd64", "Disabled"]


def test_a_long_source_stays_in_its_column(tracker: Tracker, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/some-organisation-with-a-long-name/some-repository.git"
    tracker("task", "create", "-n", "web", "-c", url, "-t", "localhost:5000/web:1")

    heads, row = tracker("task", "list").lines

    assert heads.split() == ["NAME", "PLATFORM", "STATUS", "SOURCE", "REPOSITORY", "TRIGGERS"]
    assert row.split()[3] == url


def test_a_secret_is_never_shown(
    create: Tracker, tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM", "hunter2")

    done = create("-t", "localhost:5000/web:1", "--secret-arg", "NPM", "--git-access-token", "hunter2")

    printed = [done, *(tracker("task", "show", "-n", "web", *more) for more in ([], ["--json"]))]
    assert "hunter2" not in "".join(answer.out + answer.err for answer in printed)
    assert b"hunter2" not in (tmp_path / "state/graph.db").read_bytes()
    assert "warning: --git-access-token: other users of this machine see" in done.err
    secrets = tracker("task", "show", "-n", "web", "--json").json["secrets"]
    assert [(one["use"], one["name"], one["source"]) for one in secrets] == [
        ("build", "NPM", "opaque"),
        ("git", "", "opaque"),
    ]


def test_a_source_that_is_short_has_a_column(tracker: Tracker) -> None:
    tracker("task", "create", "-n", "ping", "--cmd", "busybox")

    heads, line = tracker("task", "list").lines

    assert heads.split() == ["NAME", "PLATFORM", "STATUS", "SOURCE", "REPOSITORY", "TRIGGERS"]
    assert line.split() == ["ping", "linux/amd64", "Enabled", "-", "BASE_IMAGE"]


def test_what_has_no_effect_says_so(create: Tracker) -> None:
    done = create("-t", "localhost:5000/web:1", "--cpu", "4", "--log-template", "logs:{{.Run.ID}}")

    assert done.err.count("has no effect") == 2


def test_a_deleted_task_is_gone(create: Tracker, tracker: Tracker) -> None:
    create("-t", "localhost:5000/web:1")

    assert tracker("task", "delete", "-n", "web", "--yes").status == 0
    assert "there are no tasks" in tracker("task", "list").err
    assert tracker("task", "delete", "-n", "web", "--yes").status == 1


@pytest.mark.parametrize("said", ["n\n", "\n", ""])
def test_a_task_stays_where_nobody_says_yes(
    create: Tracker, tracker: Tracker, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    create("-t", "localhost:5000/web:1")
    monkeypatch.setattr("sys.stdin", io.StringIO(said))

    done = tracker("task", "delete", "-n", "web")

    assert (done.status, "nobody said yes" in done.err) == (1, True)
    assert tracker("task", "show", "-n", "web").status == 0


def test_timers_are_added_changed_listed_and_removed(create: Tracker, tracker: Tracker) -> None:
    create("-t", "localhost:5000/web:1")
    timer = ("task", "timer")

    added = tracker(*timer, "add", "-n", "web", "--timer-name", "nightly", "--schedule", "0 4 * * *")
    shown = tracker("task", "show", "-n", "web").out
    (listed,) = tracker(*timer, "list", "-n", "web", "--json").json
    upcoming = f"{listed['next_at'][:10]} 04:00"
    assert added.err == f"timer nightly of task web: 0 4 * * * UTC; next at {upcoming} UTC\n"
    assert f"nightly: 0 4 * * * UTC; next at {upcoming} UTC" in shown
    tracker(*timer, "update", "-n", "web", "--timer-name", "nightly", "--enabled", "false")
    assert tracker(*timer, "list", "-n", "web").lines[1].split() == [
        "nightly",
        *["0", "4", "*", "*", "*"],
        "UTC",
        "no",
        "-",
    ]
    tracker(*timer, "remove", "-n", "web", "--timer-name", "nightly")
    assert tracker(*timer, "list", "-n", "web", "--json").json == []


def test_credentials_are_added_changed_listed_and_removed(create: Tracker, tracker: Tracker) -> None:
    create("-t", "localhost:5000/web:1")
    of_task = ("-n", "web", "--login-server", "shop.example.com")
    credential = ("task", "credential")

    tracker(*credential, "add", *of_task, "-u", "env:WHO", "-p", "vault:secret/shop#password")
    again = tracker(*credential, "add", *of_task, "-p", "env:P")
    tracker(*credential, "update", *of_task, "-p", "file:/run/password")

    assert again.status == 2
    assert tracker(*credential, "list", "-n", "web").lines[1].split() == [
        "shop.example.com",
        "env:WHO",
        "file:/run/password",
    ]
    tracker(*credential, "remove", *of_task)
    assert tracker(*credential, "list", "-n", "web", "--json").json == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "-n", "none"], "there is no task none"),
        (["update", "-n", "none", "--timeout", "60"], "there is no task none"),
        (["run", "-n", "none"], "there is no task none"),
        (["timer", "list", "-n", "none"], "there is no task none"),
        (["list-runs", "-n", "none"], "there is no task 'none'"),
        (["show-run", "--run-id", "zz"], "there is no run 'zz'"),
        (["cancel-run", "--run-id", "zz"], "there is no run 'zz'"),
        (["update-run", "--run-id", "zz", "--no-archive", "false"], "there is no run 'zz'"),
    ],
)
def test_what_is_not_there_is_an_error(
    create: Tracker, tracker: Tracker, words: list[str], said: str
) -> None:
    create("-t", "localhost:5000/other:1", name="other")

    done = tracker("task", *words)

    assert done.status == 1
    assert said in done.err
