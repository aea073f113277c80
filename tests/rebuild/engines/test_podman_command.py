"""Command lines of podman, as far as they follow from a Dockerfile."""

from __future__ import annotations

import pytest

from rebuild.engines.podman_command import stage_as_written

DOCKERFILE = """\
FROM --platform=linux/amd64 a AS Builder
RUN echo FROM x AS Wrong
from b
FROM Builder as test\t
"""


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("Builder", "Builder"),
        ("builder", "Builder"),
        ("TEST", "test"),
        ("0", "Builder"),
        ("1", "1"),
        ("2", "test"),
        ("3", "3"),
        ("wrong", "wrong"),
    ],
)
def test_a_stage_is_named_as_podman_takes_it(target: str, written: str) -> None:
    assert stage_as_written(DOCKERFILE, target) == written
