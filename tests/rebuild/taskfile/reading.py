"""What tests of task files share: reading a text, and what is said about a wrong one."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from rebuild.taskfile import Problem, Step, TaskFile, TaskFileError, read_taskfile

PATH = "acb.yaml"


def read(text: str, **options: Any) -> TaskFile:
    return read_taskfile(dedent(text), path=PATH, **options)


def refused(text: str, **options: Any) -> tuple[Problem, ...]:
    """Every fault of a text that must not be read."""
    with pytest.raises(TaskFileError) as caught:
        read(text, **options)
    return caught.value.problems


def fault(text: str, **options: Any) -> Problem:
    """The one fault of a text."""
    (problem,) = refused(text, **options)
    return problem


def one_step(properties: str) -> Step:
    """The step of a file that has only this one; each line of `properties` is one of its own."""
    (step,) = read(step_text(properties)).steps
    return step


def step_text(properties: str) -> str:
    lines = dedent(properties).strip("\n").splitlines()
    return "\n".join(["steps:", *(f"  {'-' if not n else ' '} {line}" for n, line in enumerate(lines)), ""])
