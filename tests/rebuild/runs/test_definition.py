"""A definition is the same after its JSON form, and names its images as far as they are known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.reference import ImageRef, Platform
from rebuild.runs.definition import Definition, DockerStep, FileStep, InlineStep, full_name

AMD64 = Platform.parse("linux/amd64")
WORDS = st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3)
STEPS = st.one_of(
    st.builds(
        DockerStep,
        images=st.lists(st.sampled_from(["r.io/a:1", "r.io/b:{{.Run.ID}}"]), max_size=2).map(tuple),
        dockerfile=st.none() | st.text(max_size=10),
        build_args=WORDS,
        target=st.none() | st.text(max_size=5),
        push=st.booleans(),
        no_cache=st.booleans(),
        reproducible=st.booleans(),
    ),
    st.builds(FileStep, file=st.text(max_size=10), values=WORDS),
    st.builds(InlineStep, text=st.text(max_size=50), values_text=st.text(max_size=10), values=WORDS),
)


@given(context=st.text(max_size=20), step=STEPS, timeout_s=st.floats(1, 1e6))
def test_a_definition_is_the_same_after_its_json_form(
    context: str, step: DockerStep | FileStep | InlineStep, timeout_s: float
) -> None:
    definition = Definition(context, step, AMD64, timeout_s)

    assert Definition.from_json(definition.to_json()) == definition


def test_a_name_with_a_template_is_not_known_before_the_run() -> None:
    step = DockerStep(("r.io/app:1", "r.io/app:{{.Run.ID}}"))

    assert Definition("/src", step, AMD64).images == (ImageRef.parse("r.io/app:1"),)


def test_what_was_typed_for_one_build_alone_is_not_repeated() -> None:
    rebuilt = Definition("/src", DockerStep(no_cache=True), AMD64).rebuilt()

    assert rebuilt == Definition("/src", DockerStep(no_cache=False), AMD64)


@pytest.mark.parametrize(
    ("typed", "full"),
    [
        ("app", "localhost:5000/app:latest"),
        ("team/app:1", "localhost:5000/team/app:1"),
        ("ghcr.io/team/app:1", "ghcr.io/team/app:1"),
        ("app:{{.Run.ID}}", "localhost:5000/app:{{.Run.ID}}"),
        ("ghcr.io/app:{{.Run.ID}}", "ghcr.io/app:{{.Run.ID}}"),
        ("team/app:{{.Run.ID}}", "localhost:5000/team/app:{{.Run.ID}}"),
        ("{{.Run.Registry}}/app", "{{.Run.Registry}}/app"),
    ],
)
def test_a_name_without_a_registry_belongs_to_the_default_one(typed: str, full: str) -> None:
    assert full_name(typed, "localhost:5000") == full
