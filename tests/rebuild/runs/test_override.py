"""What counts for one run of a task, over what the task says."""

from __future__ import annotations

from typing import Any

import pytest

from graph.errors import WrongUse
from graph.reference import Platform
from rebuild.runs.definition import Definition, DockerStep, FileStep, InlineStep, Step
from rebuild.runs.override import Override, overridden, use_of
from rebuild.secrets.task_secrets import SecretUse

DOCKER = DockerStep(images=("docker.io/x:1",), dockerfile="Dockerfile", build_args={"A": "1", "B": "1"})
FILE = FileStep("acb.yaml", values={"a": "1", "b": "1"})
INLINE = InlineStep("steps: []", values={"a": "1"})


def run_of(step: Step, **asked: Any) -> Definition:
    saved = Definition("/src", step, Platform.parse("linux/amd64"), 60.0)
    return overridden("web", saved, Override(**asked))


@pytest.mark.parametrize("step", [DOCKER, FILE, INLINE])
def test_nothing_asked_is_the_task_as_it_is(step: Step) -> None:
    assert run_of(step) == Definition("/src", step, Platform.parse("linux/amd64"), 60.0)


def test_arguments_go_over_those_of_the_task_name_by_name() -> None:
    step = run_of(DOCKER, build_args={"B": "2", "C": "2"}, target="t", file="other.Dockerfile").step

    assert step == DockerStep(DOCKER.images, "other.Dockerfile", {"A": "1", "B": "2", "C": "2"}, "t")


def test_values_go_over_those_of_the_task_name_by_name() -> None:
    step = run_of(FILE, values={"b": "2"}, file="other.yaml").step

    assert step == FileStep("other.yaml", values={"a": "1", "b": "2"})


def test_a_task_file_of_its_own_may_be_another_for_once() -> None:
    assert run_of(INLINE, text="steps: [other]").step == InlineStep("steps: [other]", "", {"a": "1"})


@pytest.mark.parametrize(
    ("step", "asked", "rule"),
    [
        (DOCKER, {"values": {"a": "1"}}, "values: task web has a Dockerfile"),
        (DOCKER, {"text": "x"}, "text: task web has a Dockerfile"),
        (DOCKER, {"file": "acb.yaml"}, "is a task file, and task web has a Dockerfile"),
        (FILE, {"target": "t"}, "target: task web has a task file"),
        (FILE, {"build_args": {"A": "1"}}, "build_args: task web has a task file"),
        (FILE, {"file": "Dockerfile"}, "is a Dockerfile, and task web has a task file"),
        (INLINE, {"file": "acb.yaml"}, "file: task web has a task file of its own"),
    ],
)
def test_what_the_task_has_no_use_for_is_refused(step: Step, asked: dict[str, Any], rule: str) -> None:
    with pytest.raises(WrongUse, match=rule):
        run_of(step, **asked)


def test_secrets_are_for_what_the_task_does() -> None:
    assert [use_of(step) for step in (DOCKER, FILE, INLINE)] == [
        SecretUse.BUILD,
        SecretUse.VALUE,
        SecretUse.VALUE,
    ]
