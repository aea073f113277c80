"""`tracker run --dry-run`: what each step would be, without an engine and without a vault."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tracker.cli.conftest import Tracker

TASK = """\
version: v1.1.0
steps:
  - id: build
    build: -t $Registry/app:$ID .
  - id: test
    cmd: $Registry/app:$ID sh -c 'echo {{.Values.who}}'
    when: [build]
    timeout: 30
    retries: 2
    env: ["MODE=test"]
  - push: ["$Registry/app:$ID"]
"""


AS_SOMEBODY = ["-c", "user.name=a", "-c", "user.email=a@b"]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "acb.yaml").write_text(TASK)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return folder


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")


def steps(tracker: Tracker, *words: str) -> list[dict[str, Any]]:
    plan = tracker("run", *words, "--dry-run", "--json").json
    assert list(plan) == ["steps"]
    return list(plan["steps"])


def test_a_plan_tells_of_every_step_what_the_engine_would_be_called_with(
    tracker: Tracker, context: Path
) -> None:
    build, test, push = steps(tracker, str(context), "--set", "who=you")

    assert [step["kind"] for step in (build, test, push)] == ["build", "cmd", "push"]
    assert test["argv"][-3:] == ["sh", "-c", "echo you"]
    assert (test["depends_on"], test["when"]) == (["build"], ["build"])
    assert (test["timeout"], test["retries"], test["env"]) == (30, 2, ["MODE=test"])
    assert push["argv"][:2] == ["podman", "push"]


def test_a_plan_names_the_properties_that_scripts_rely_on(tracker: Tracker, context: Path) -> None:
    step = steps(tracker, str(context))[0]

    assert {"id", "kind", "depends_on", "when", "timeout", "retries", "env", "argv"} <= set(step)


def test_a_plan_shows_what_is_pulled_before_a_step(tracker: Tracker, context: Path) -> None:
    (context / "acb.yaml").write_text("steps: [{cmd: 'alpine:3 true', pull: true}, {cmd: 'alpine:3 true'}]\n")

    first, second = steps(tracker, str(context))

    assert (first["pull"], "pull" in second) == (["podman", "pull", "docker.io/library/alpine:3"], False)
    assert "  podman pull docker.io/library/alpine:3\n" in tracker("run", str(context), "--dry-run").out


def test_a_plan_says_where_the_context_of_a_build_is_fetched_from(tracker: Tracker, context: Path) -> None:
    url = "https://git.example.com/u/app.git#main:web"
    logged_in = url.replace("//", "//bob:s3cret-word@")
    (context / "acb.yaml").write_text(f"steps: [{{build: '-t app {logged_in}'}}, {{build: '.'}}]\n")

    remote, local = steps(tracker, str(context))

    assert (remote["fetch"], "fetch" in local) == (url.replace("//", "//***@"), False)
    assert f"  fetch {remote['fetch']}\n" in tracker("run", str(context), "--dry-run").out


def test_a_plan_for_people_leaves_their_terminal_alone(tracker: Tracker, context: Path) -> None:
    (context / "acb.yaml").write_text('steps: [{cmd: "alpine \\e[31m"}, {id: "\\e]0;x", push: [a]}]\n')

    done = tracker("run", str(context), "--dry-run")

    assert (done.status, "\x1b" in done.out + done.err) == (0, False)


def test_a_secret_in_a_command_line_is_refused_before_there_is_a_run(tracker: Tracker) -> None:
    done = tracker("run", "--cmd", "alpine echo {{.Values.who}}", "--set-secret", "who=t0psecret")

    assert (done.status, done.out) == (2, "")
    assert "secret in its command line" in done.err
    assert "t0psecret" not in done.err


def test_a_secret_value_is_not_shown(tracker: Tracker, context: Path) -> None:
    done = tracker("run", str(context), "--set-secret", "who=t0psecret", "--dry-run", "--json")

    assert "t0psecret" not in done.out + done.err
    assert "echo ***" in done.json["steps"][1]["argv"][-1]


@pytest.mark.parametrize("source", ["env:NOT_THERE", "file:/not/there", "vault:secret/a#b"])
def test_a_plan_fetches_no_secret(tracker: Tracker, context: Path, source: str) -> None:
    plan = steps(tracker, str(context), "--set-secret", f"who={source}")

    assert plan[1]["argv"][-1] == "echo ***"


def test_a_secret_is_not_shown_wherever_a_file_puts_it(tracker: Tracker, context: Path) -> None:
    step = "{id: a{{.Values.s}}, cmd: 'alpine {{.Values.s}}', env: ['{{.Values.s}}=b'], user: '{{.Values.s}}'"
    last = "{id: z, push: [x], when: ['a{{.Values.s}}'], if: env.{{.Values.s}} == 'x'}"
    (context / "acb.yaml").write_text(f"steps: [{step}, workingDirectory: '{{{{.Values.s}}}}'}}, {last}]\n")

    plan = tracker("run", str(context), "--set-secret", "s=t0psecret", "--dry-run", "--json")

    assert plan.json["steps"][1]["depends_on"] == ["a***"]
    assert "t0psecret" not in plan.out + plan.err


WITHOUT_VALUES = """\
version: v1.1.0
steps:
  # to the registry that was asked for
  - build: >-
      -t {{.Values.REGISTRY}}/app:$ID
      {{.Values.FOLDER}}
  - push: ["{{.Values.REGISTRY}}/app:$ID"]
  - cmd: $Registry/tool echo {{.Values.WORD}}
"""


def test_a_plan_has_the_steps_that_a_run_refuses_for_want_of_a_value(
    tracker: Tracker, tmp_path: Path
) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(WITHOUT_VALUES)

    build, push, cmd = steps(tracker, "-f", str(file))

    assert "--tag=<.Values.REGISTRY>/app:dryrun" in build["argv"]
    assert build["argv"][-1].endswith("/workspace/<.Values.FOLDER>")
    assert push["argv"][2] == "<.Values.REGISTRY>/app:dryrun"
    assert (build["lacks"], push["lacks"]) == ([".Values.REGISTRY", ".Values.FOLDER"], [".Values.REGISTRY"])
    assert (push["depends_on"], "lacks" in cmd, cmd["argv"][-1]) == ([build["id"]], False, "echo")


def test_a_plan_says_which_values_a_run_would_want(tracker: Tracker, tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text("steps:\n  - build: -t {{.Values.NAME}} {{.Values.FOLDER}}\n")

    done = tracker("run", "-f", str(file), "--set", "NAME=app", "--dry-run")

    place = f"warning: {file}:2: build of step 'acb_step_0': the build names no context"
    assert (
        f"{place}; empty there: .Values.FOLDER; a run refuses this step; give --set FOLDER=VALUE" in done.err
    )


@pytest.mark.parametrize(
    "step",
    [
        "build: -t '{{.Values.x}}/app' .",
        "build: -t '{{.Values.x | default ``}}' .",
        "push: [ {{.Values.x}} ]",
        "cmd: {{.Values.x}}",
        "id: a\n    cmd: '{{ .Values.x }}'",
        "build: -t app:{{.Run.Commit}} .",
    ],
)
def test_a_value_that_a_step_cannot_be_without_is_named_in_its_plan(
    tracker: Tracker, tmp_path: Path, step: str
) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(f"steps:\n  - {step}\n  - cmd: alpine true\n")

    first, second = steps(tracker, "-f", str(file))

    assert first["lacks"] in ([".Values.x"], [".Run.Commit"])
    assert second["depends_on"] == [first["id"]]


def test_a_run_and_a_strict_plan_refuse_a_step_that_lacks_a_value(tracker: Tracker, tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text("steps:\n  - push: ['{{.Values.x}}/app']\n")

    for more in ([], ["--dry-run", "--strict"]):
        done = tracker("run", "-f", str(file), *more)
        assert (done.status, done.out) == (2, "")
        assert "'/app'" in done.err


@pytest.mark.parametrize("step", ["push: [/app]", "build: -t app", "build: -t {{.Values.x}}/app . $(x)"])
def test_a_plan_refuses_what_no_value_would_mend(tracker: Tracker, tmp_path: Path, step: str) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(f"steps:\n  - {step}\n  - cmd: alpine {{{{.Values.y}}}}\n")

    assert tracker("run", "-f", str(file), "--dry-run").status == 2


def test_a_secret_of_a_vault_is_not_asked_for(tracker: Tracker, tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(
        "version: v1.1.0\nsecrets: [{id: key, keyvault: 'https://v.example.com/secrets/a'}]\n"
        "steps: [{cmd: 'bash -c true', env: ['K={{.Secrets.key}}']}]\n"
    )

    assert steps(tracker, "/dev/null", "-f", str(file))[0]["env"] == ["K=***"]


def test_a_secret_of_a_vault_may_stand_in_the_name_of_an_image(tracker: Tracker, tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(
        "secrets: [{id: reg, keyvault: 'https://v.example.com/secrets/a'}]\n"
        "steps: [{build: '-t {{.Secrets.reg}}/app:{{.Secrets.reg}} .'}, {push: ['{{.Secrets.reg}}/app']}]\n"
    )

    build, push = steps(tracker, "/dev/null", "-f", str(file))

    assert "--tag=docker.io/***/app:***" in build["argv"]
    assert push["argv"][-1] == "docker://docker.io/***/app:latest"


def test_what_cannot_be_planned_is_told_without_secrets(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("steps: [{build: '-f ../{{.Values.who}} .'}]\n")

    words = ("run", "/dev/null", "-f", str(tmp_path / "task.yaml"), "--set-secret", "who=t0psecret")
    refused = tracker(*words, "--dry-run")

    assert "task.yaml:1: step 'acb_step_0': Dockerfile '../***' is outside" in refused.err


def test_a_secret_of_a_vault_may_be_a_file_in_base64_as_it_is(tracker: Tracker, tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(
        "secrets: [{id: key, keyvault: 'https://v.example.com/secrets/a'}]\n"
        "volumes: [{name: v, secret: {key: '{{.Secrets.key}}'}}]\n"
        "steps: [{cmd: alpine, volumeMounts: [{name: v, mountPath: /keys}]}]\n"
    )

    assert tracker("run", "/dev/null", "-f", str(file), "--dry-run").status == 0


def test_a_plan_of_a_repository_knows_its_commit(
    tracker: Tracker, context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    (context / "acb.yaml").write_text("steps: [{cmd: 'alpine {{.Run.Commit}} {{.Run.TriggeredBy}}'}]\n")
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*AS_SOMEBODY, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *words], cwd=context, check=True)
    commit = (context / ".git" / "refs" / "heads" / "main").read_text().strip()

    assert steps(tracker, f"file://{context}/.git")[0]["argv"][-2:] == [commit, "quick"]


def test_one_command_is_a_step_whatever_characters_it_has(tracker: Tracker) -> None:
    step = steps(tracker, "--cmd", "\talpine:3 echo 'a: b' # c\u2028d e\x85")[0]

    assert step["argv"][-5:] == ["echo", "a: b", "#", "c\u2028d", "e"]


def test_a_template_of_one_command_that_is_not_closed_is_told_as_that(tracker: Tracker) -> None:
    assert "error: --cmd:5: an action is not closed" in tracker("run", "--cmd", "alpine {{", "--dry-run").err


def test_one_command_has_aliases_and_templates_with_quotes_in_them(tracker: Tracker) -> None:
    command = 'bash -c "echo {{ .Values.who | default "you" }} $ID"'

    step = steps(tracker, "--cmd", command, "/dev/null")[0]

    assert step["argv"][-3:] == ["mcr.microsoft.com/acr/bash:2ff604c", "-c", "echo you dryrun"]


def test_one_command_may_use_a_file_of_values(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("who: you\n")

    step = steps(tracker, "--cmd", "alpine {{.Values.who}}", "--values", str(tmp_path / "values.yaml"))[0]

    assert step["argv"][-1] == "you"


def test_messages_name_the_file_that_was_typed(tracker: Tracker, tmp_path: Path) -> None:
    task, values = tmp_path / "wrong.yaml", tmp_path / "values.yaml"
    task.write_text("steps:\n  - cmd: alpine 'x\n  - push: [{{.Values.a}}, {{]\n")
    values.write_text("a: 1\na: 2\n")

    assert f"error: {task}:3: " in tracker("run", "/dev/null", "-f", str(task), "--dry-run").err
    with_values = tracker("run", "-f", str(task), "--values", str(values), "--dry-run")
    assert f"error: {values}:2: key 'a' is here twice" in with_values.err


def test_messages_about_one_command_or_standard_input_say_so(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"steps: [{cmd: 'alpine <'}]")))

    assert "error: --cmd:4: cmd of step" in tracker("run", "--cmd", "alpine 'x", "--dry-run").err
    assert "error: standard input:1: cmd of step" in tracker("run", "-f", "-", "--dry-run").err


def test_a_task_file_may_come_by_standard_input(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"steps: [{cmd: 'alpine true'}]")))

    assert [step["kind"] for step in steps(tracker, "-f", "-")] == ["cmd"]


def test_an_unknown_key_is_warned_of_and_refused_where_asked(tracker: Tracker, context: Path) -> None:
    (context / "acb.yaml").write_text("steps:\n  - cmd: alpine true\n    colour: red\n")

    assert "acb.yaml:3:" in tracker("run", str(context), "--dry-run").err
    refused = tracker("run", str(context), "--dry-run", "--strict")
    assert (refused.status, refused.out) == (2, "")


def test_a_task_file_that_is_not_there_is_named(tracker: Tracker, context: Path) -> None:
    refused = tracker("run", str(context), "-f", "other.yaml", "--dry-run")

    assert refused.status == 2
    assert "the context has no file 'other.yaml'" in refused.err


def test_a_task_file_outside_of_the_context_is_refused(tracker: Tracker, context: Path) -> None:
    (context.parent / "acb.yaml").write_text(TASK)

    refused = tracker("run", str(context), "-f", "../acb.yaml", "--dry-run")

    assert refused.status == 2
    assert "leads out of the context" in refused.err


def test_a_command_and_a_file_exclude_each_other(tracker: Tracker) -> None:
    assert tracker("run", "--cmd", "alpine", "-f", "x.yaml", "--dry-run").status == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cmd", " "], "--cmd is empty"),
        (["--cmd", "x", "-f", "acb.yaml"], "exclude each other"),
        (["CONTEXT", "-f", "none.yaml"], "the context has no file 'none.yaml'"),
        (["CONTEXT", "-f", "Dockerfile"], "Dockerfile:1: "),
        (["CONTEXT", "--values", "none.yaml"], "the context has no file 'none.yaml'"),
        (["-f", "CONTEXT"], "cannot be read: Is a directory"),
        (["-f", "CONTEXT/bytes.yaml"], "is not UTF-8"),
        (["-f", "CONTEXT/large.yaml"], "has more than 1,048,576 bytes"),
        (["CONTEXT", "--set-secret", "NOT_THERE"], "the environment has none of that name"),
        (["CONTEXT", "--set-secret", "=x"], "name"),
        (["CONTEXT", "--set-secret", "who=env:"], "is not the name of a variable"),
        (["CONTEXT", "--platform", "linux/amd46"], "did you mean amd64?"),
    ],
)
def test_what_is_wrong_with_a_run_makes_none(
    tracker: Tracker, context: Path, words: list[str], said: str
) -> None:
    (context / "bytes.yaml").write_bytes(b"a: \xff\xfe\n")
    (context / "large.yaml").write_bytes(b"#" * (1 << 21))

    done = tracker("run", *[word.replace("CONTEXT", str(context)) for word in words])

    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert "\nhint: " in done.err
    assert not (context.parent / "state" / "graph.db").exists()


def test_a_plan_has_the_operators_images_in_the_place_of_aliases(
    tracker: Tracker, context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (context / "acb.yaml").write_text("version: v1.1.0\nsteps:\n  - cmd: bash echo hi\n  - cmd: curl x\n")
    monkeypatch.setenv("TRACKER__IMAGE_ALIASES__BASH", "{{.Run.Registry}}/bash:5")
    monkeypatch.setenv("TRACKER__IMAGE_ALIASES__CURL", "")
    monkeypatch.setenv("TRACKER__REGISTRY", "registry.example")

    bash, curl = steps(tracker, str(context))

    assert bash["argv"][-3:] == ["registry.example/bash:5", "echo", "hi"]
    assert curl["argv"][-2:] == ["docker.io/library/curl:latest", "x"]


def test_a_plan_that_lacks_an_alias_source_names_the_line_and_the_way_out(
    tracker: Tracker, context: Path
) -> None:
    (context / "acb.yaml").write_text(
        "version: v1.1.0\nalias:\n  src: ['https://127.0.0.1:1/x']\nsteps: []\n"
    )

    done = tracker("run", str(context), "--dry-run")

    assert done.status == 2
    assert "acb.yaml:3: alias source 'https://127.0.0.1:1/x' is at 127.0.0.1, a private address" in done.err
    assert "hint: the operator may allow it: private_addresses = true" in done.err
