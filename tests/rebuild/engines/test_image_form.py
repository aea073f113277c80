"""Which format of images a Dockerfile needs."""

from __future__ import annotations

import pytest

from rebuild.engines.image_form import ImageForm, form_of


@pytest.mark.parametrize(
    "line",
    [
        "HEALTHCHECK NONE",
        "  healthcheck CMD true",
        '\tShell ["sh"]',
        "ONBUILD RUN x",
        "HEALTHCHECK\\\n CMD x",
    ],
)
def test_what_oci_has_no_place_for_needs_dockers_format(line: str) -> None:
    assert form_of(f"FROM a\n{line}\n") is ImageForm.DOCKER


def test_what_a_base_says_in_dockers_format_alone_is_handed_on_in_it() -> None:
    assert form_of("FROM a\n", base_of_docker=True) is ImageForm.DOCKER


@pytest.mark.parametrize("line", ["RUN echo HEALTHCHECK", "# SHELL", "LABEL onbuild=1", "SHELLS x"])
def test_all_else_is_in_the_format_that_has_annotations(line: str) -> None:
    assert form_of(f"FROM a\n{line}\n") is ImageForm.OCI
