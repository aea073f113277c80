"""`cmd: docker …` is carried out as what it asks for, as far as that is a step of its own kind."""

from __future__ import annotations

import pytest

from rebuild.taskfile import Build, Cmd, Kind, Pull, Push, TaskFile
from tests.rebuild.taskfile.reading import fault, read, step_text


def warned(task: TaskFile) -> list[str]:
    return [f"{warning.rule}; {warning.hint}" for warning in task.warnings]


@pytest.mark.parametrize(
    "line",
    [
        "docker build -t a -f x/Dockerfile https://github.com/x/y.git",
        "docker:cli image build -t a -f x/Dockerfile https://github.com/x/y.git",
        "registry.example.com/mirror/docker:27 docker build -t a -f x/Dockerfile https://github.com/x/y.git",
        "docker buildx build -t a -f x/Dockerfile https://github.com/x/y.git",
    ],
)
def test_a_build_by_docker_is_a_build_step(line: str) -> None:
    task = read(step_text(f"cmd: {line}\nretries: 2\ncache: disabled"))

    (step,), (plain,) = task.steps, read(step_text(f"build: {line.partition('build ')[2]}")).steps
    assert isinstance(step.action, Build)
    assert isinstance(plain.action, Build)
    assert (step.kind, step.retries, step.action.line) == (Kind.BUILD, 2, plain.action.line)
    assert warned(task) == [
        "step 'acb_step_0' calls docker build: carried out as a build step; write build: instead"
    ]


@pytest.mark.parametrize("line", ["docker push r.io/a:1", "docker image push -q r.io/a:1"])
def test_a_push_by_docker_is_a_push_step(line: str) -> None:
    task = read(step_text(f"cmd: {line}"))

    assert task.steps[0].action == Push(("r.io/a:1",))
    assert warned(task) == [
        "step 'acb_step_0' calls docker push: carried out as a push step; write push: instead"
    ]


def test_a_pull_by_docker_is_a_pull() -> None:
    task = read(step_text("cmd: docker pull r.io/a:1\nretries: 3"))

    assert (task.steps[0].action, task.steps[0].kind, task.warnings) == (Pull("r.io/a:1"), Kind.CMD, ())


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("docker run a", "write cmd: IMAGE arguments"),
        ("docker login r.io", "give the task credentials"),
        ("docker tag a b", "give the build step both names"),
        ("docker push --all-tags r.io/a", "write build: and push: steps"),
        ("docker pull a b", "write build: and push: steps"),
        ("docker", "write build: and push: steps"),
    ],
)
def test_anything_else_is_told_what_to_do_instead(line: str, hint: str) -> None:
    task = read(step_text(f"cmd: {line}"))

    assert isinstance(task.steps[0].action, Cmd)
    assert hint in warned(task)[0]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("docker build -t a . | tee log", "asks docker for a step, and for more"),
        ("docker build --push -t a .", "--push is not allowed"),
        ("docker build -t a", "names no context"),
        ("docker push UPPER/x/Y", "repositories are lower case"),
        ("docker pull UPPER/x/Y", "repositories are lower case"),
    ],
)
def test_what_no_step_of_that_kind_could_do_is_refused(line: str, rule: str) -> None:
    problem = fault(step_text(f"cmd: {line}"))

    assert rule in problem.rule
    assert problem.line == 2


def test_an_image_with_another_program_is_run() -> None:
    assert isinstance(read(step_text("cmd: docker build .\nentryPoint: sh")).steps[0].action, Cmd)
    assert isinstance(read(step_text("cmd: dockerize build .")).steps[0].action, Cmd)
