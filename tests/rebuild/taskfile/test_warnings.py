"""What is told and not refused, unless somebody asks for strictness; and how faults are told."""

from __future__ import annotations

import pytest

from rebuild.secrets.secret import Secret
from rebuild.taskfile import TaskFileError
from tests.rebuild.taskfile.reading import fault, read, refused, step_text


def warned(text: str) -> list[str]:
    return [warning.rule for warning in read(text).warnings]


@pytest.mark.parametrize(
    ("text", "line", "rule", "hint"),
    [
        (
            "steps: []\nstep-timeout: 5",
            2,
            "the task has no property 'step-timeout'",
            "did you mean 'stepTimeout'?",
        ),
        ("version: v1.0.0\nalias: {}", 2, "the task has no property 'alias'", "aliases need version: v1.1.0"),
        (
            "steps:\n- cmd: a\n  workingdirectory: x",
            3,
            "has no property 'workingdirectory'",
            "'workingDirectory'?",
        ),
        (
            "steps:\n- cmd: a\n  secret: x",
            3,
            "has no property 'secret'",
            "ACR documents it and ignores it too",
        ),
        ("steps:\n- cmd: a\n  zzz: x", 3, "step 'acb_step_0' has no property 'zzz': it is ignored", None),
        ("networks:\n- name: a\n  isdefault: x", 3, "a network has no property 'isdefault'", "'isDefault'?"),
        (
            "secrets:\n- id: a\n  keyvault: x\n  clientId: x",
            4,
            "a secret has no property 'clientId'",
            "'clientID'?",
        ),
        ("volumes:\n- secret: {a: YQ==}\n  name: a\n  b: x", 4, "a volume has no property 'b'", None),
    ],
)
def test_an_unknown_property_is_told_with_the_one_that_was_meant(
    text: str, line: int, rule: str, hint: str | None
) -> None:
    (warning,) = read(text).warnings

    assert (warning.path, warning.line) == ("acb.yaml", line)
    assert rule in warning.rule
    assert warning.hint is None if hint is None else hint in str(warning.hint)


def test_strictness_refuses_an_unknown_property() -> None:
    problem = fault("steps:\n- cmd: a\n  retires: 3\n", strict=True)

    assert str(problem) == "acb.yaml:3: step 'acb_step_0' has no property 'retires': it is ignored"
    assert problem.hint == "did you mean 'retries'?"


@pytest.mark.parametrize(
    "line",
    ["entryPoint: x", "detach: true", "pull: true", "ports: ['1:1']", "privileged: true", "exitedWith: [1]"],
)
def test_a_property_without_effect_on_a_build_is_told(line: str) -> None:
    key = line.partition(":")[0]

    assert warned(step_text(f"build: .\n{line}")) == [
        f"{key} has no effect on step 'acb_step_0', a build step"
    ]


@pytest.mark.parametrize("line", ["env: [A=1]", "retries: 3", "workingDirectory: x", "user: x"])
def test_a_property_without_effect_on_a_push_is_told(line: str) -> None:
    assert "has no effect on step 'acb_step_0', a push step" in warned(step_text(f"push: [a]\n{line}"))[0]


@pytest.mark.parametrize(
    "line", ["timeout: 3", "startDelay: 3", "ignoreErrors: true", "when: ['-']", "if: always()"]
)
@pytest.mark.parametrize("action", ["cmd: a", "build: .", "push: [a]"])
def test_a_property_of_every_step_is_told_on_none(line: str, action: str) -> None:
    assert warned(step_text(f"{action}\n{line}")) == []


def test_a_cache_on_a_step_that_builds_nothing_is_told() -> None:
    assert warned(step_text("cmd: a\ncache: enabled")) == [
        "cache has no effect on step 'acb_step_0', which builds nothing"
    ]


def test_a_flag_of_the_build_without_effect_is_told() -> None:
    assert warned(step_text("build: --progress=plain -q .")) == [
        "--progress of step 'acb_step_0' has no effect: it is ignored",
        "--quiet of step 'acb_step_0' has no effect: it is ignored",
    ]


def test_a_variable_that_no_environment_sets_is_told() -> None:
    assert warned(step_text("cmd: alpine echo $NOPE $HOME $OWN\nenv: [OWN=1]")) == [
        "$NOPE is empty in cmd of step 'acb_step_0': its environment does not set it"
    ]


def test_the_client_of_an_engine_is_told_that_it_gets_none() -> None:
    assert warned(step_text("cmd: docker ps")) == [
        "step 'acb_step_0' runs 'docker': a step never gets the engine's socket"
    ]


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        "version: v9\nstepTimeout: x\nsteps:\n- cmd: a | docker ps\n- {id: a b, push: [X]}\n"
        "- cmd: c\n  when: [d]\n"
    )

    problems = refused(text)

    assert [problem.line for problem in problems] == [1, 2, 4, 5, 5, 7]


def test_the_error_of_one_fault_has_its_hint() -> None:
    with pytest.raises(TaskFileError) as caught:
        read("version: 1.1.0")

    assert caught.value.exit_code == 2
    assert caught.value.message == ("acb.yaml:1: version '1.1.0' is not one of 1.0-preview-1, v1.0.0, v1.1.0")
    assert caught.value.hint == "write version: v1.1.0"


def test_the_error_of_several_faults_has_a_line_for_each() -> None:
    with pytest.raises(TaskFileError) as caught:
        read("version: 1.1.0\nsteps: 3")

    assert [line.partition(": ")[0] for line in caught.value.message.splitlines()] == [
        "acb.yaml:1",
        "acb.yaml:2",
    ]
    assert "; write version: v1.1.0" in caught.value.message


def test_a_file_of_nothing_but_faults_is_given_up_early() -> None:
    assert len(refused("steps:\n" + "- {cmd: a, retries: x}\n" * 500)) == 50


def test_the_fiftieth_unknown_property_is_the_last_that_is_told() -> None:
    text = "steps:\n- cmd: a\n" + "".join(f"  unknown{n}: x\n" for n in range(20_000))

    assert len(read(text).warnings) == 50


def test_lines_are_those_of_the_file_as_it_was_written() -> None:
    assert fault("steps:\n- cmd: a\n  retries: x\n", original_line=lambda line: line + 10).line == 13


def test_secrets_are_hidden_in_what_is_said() -> None:
    text = step_text("push: ['registry.example.com/Hunter-Two']")

    problem = fault(text, secrets=[Secret("Hunter-Two")])

    assert "hunter-two" not in f"{problem}{problem.hint}".lower().replace("/hunter-two'", "")
    assert "***" in str(problem)
