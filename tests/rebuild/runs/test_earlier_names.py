"""Quick runs that name images after themselves leave the names of those before them behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from graph.database import immediate
from graph.reference import ImageRef
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.run import Outcome, write_down
from rebuild.runs.table import Cause, Runs, Status
from tests.graph_samples import Sample, definition_of, single
from tracker.settings.written import read_written
from tracker.views.look import Look
from tracker.views.stale import stale_view

TEMPLATE = "x:{{.Run.ID}}"


def asked(image: str) -> Definition:
    definition = definition_of("app")
    assert isinstance(definition.step, DockerStep)
    return replace(definition, step=replace(definition.step, images=(image,)))


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    yield made
    made.sql.close()


def quick(sample: Sample, name: str, *, definition: Definition) -> None:
    """A quick run that has built and pushed an image under that name."""
    runs = Runs(sample.sql)
    with immediate(sample.sql):
        wish = runs.add(definition, Cause.QUICK, sample.at)
        claimed = runs.claim(sample.at, "somebody", run_id=wish.run_id)
        assert claimed is not None
        record = replace(sample.built(name, "debian:12", hours=2), run_id=claimed.run_id, pushed=True)
        write_down(sample.sql, claimed, Outcome(Status.SUCCEEDED, records=(record,)), sample.at)


def stale(sample: Sample) -> Sequence[str]:
    sample.observe("debian:12", single("a newer debian"), hours=1)
    with contextlib.closing(sample.state.read()) as sql:
        view = stale_view(Look(sample.state, read_written(None, {}), sql, sample.at))
        return [view.names.images[decision.image_id] for decision in view.stale]


def named(text: str) -> str:
    return str(ImageRef.parse(text))


def test_only_the_newest_name_is_still_told_of(sample: Sample) -> None:
    for number in range(3):
        quick(sample, f"x:a{number}", definition=asked(TEMPLATE))

    assert stale(sample) == [named("x:a2")]


def test_the_context_may_be_another_each_time(sample: Sample) -> None:
    definition = asked(TEMPLATE)
    quick(sample, "x:a1", definition=replace(definition, context="upload:1"))
    quick(sample, "x:a2", definition=replace(definition, context="upload:2"))

    assert stale(sample) == [named("x:a2")]


def test_names_that_something_else_makes_stay(sample: Sample) -> None:
    quick(sample, "x:stable", definition=asked("x:stable"))
    quick(sample, "y:a1", definition=asked(TEMPLATE))
    quick(sample, "x:a2", definition=asked(TEMPLATE))

    assert sorted(stale(sample)) == sorted(map(named, ["x:stable", "y:a1", "x:a2"]))
