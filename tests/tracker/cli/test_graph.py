"""What `tracker graph` refuses to draw."""

from __future__ import annotations

import pytest

from graph import figure
from tests.graph_samples import Sample
from tests.tracker.cli.conftest import Tracker


def test_an_svg_of_too_many_images_is_refused_with_the_way_out(
    sample: Sample, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figure, "LAID_OUT_NODES_MOST", 3)

    answer = tracker("graph", "--format", "svg")

    assert (answer.status, answer.out) == (2, "")
    assert answer.err.splitlines()[0].endswith("images are too many for an SVG drawing: 3 are the most")
    assert "name an image" in answer.err.splitlines()[1]
    assert tracker("graph", "--format", "dot").status == 0
    assert tracker("graph", "--format", "svg", "debian:12", "--output", "/dev/null").status == 2


def test_json_is_asked_for_as_of_any_other_command(sample: Sample, tracker: Tracker) -> None:
    assert tracker("graph", "--json").out == tracker("graph", "--format", "json").out


def test_json_is_no_drawing(sample: Sample, tracker: Tracker) -> None:
    answer = tracker("graph", "--json", "--format", "svg")

    assert (answer.status, answer.out) == (2, "")
    assert answer.err == "error: --json does not go with --format svg\nhint: leave one out\n"
