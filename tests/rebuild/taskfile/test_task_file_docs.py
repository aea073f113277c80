"""The page on task files names every property, and its examples are task files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rebuild.taskfile.read import KEYS as TASK_KEYS
from rebuild.taskfile.steps import KEYS as STEP_KEYS
from tests.rebuild.taskfile.reading import read

PAGE = (Path(__file__).parents[3] / "docs/task-files.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("key", sorted({*TASK_KEYS, *STEP_KEYS}))
def test_every_property_is_explained(key: str) -> None:
    assert f"`{key}`" in PAGE


@pytest.mark.parametrize("example", EXAMPLES or ["no example"])
def test_every_example_is_a_task_file_without_a_warning(example: str) -> None:
    task = read(example if example.startswith(("version", "steps")) else f"steps:\n{example}")

    assert task.steps
    assert task.warnings == ()
