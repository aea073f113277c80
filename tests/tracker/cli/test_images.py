"""The list of images, and the graph as a drawing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.graph_samples import HOST, LONG, Sample
from tests.tracker.cli.conftest import Tracker


def test_every_image_is_listed_with_origin_neighbours_and_age(sample: Sample, tracker: Tracker) -> None:
    lines = tracker("images").lines

    assert lines[0].split() == ["ORIGIN", "BASES", "ABOVE", "AGE", "IMAGE"]
    assert ["external", "0", "1", "-", "debian:12"] in [line.split() for line in lines]
    assert ["built", "1", "2", "3d", f"{HOST}/base:1"] in [line.split() for line in lines]
    assert lines[-1] == "8 images"


def test_the_json_names_the_task_of_each(sample: Sample, tracker: Tracker) -> None:
    tasks = {image["reference"]: image["task"] for image in tracker("images", "--json").json}

    assert (tasks[f"{HOST}/img-b:1"], tasks[LONG]) == ("img-b", None)


def test_an_empty_graph_says_so(tracker: Tracker, tmp_path: Path) -> None:
    Sample.make(tmp_path / "state").sql.close()

    assert tracker("images").out == "no image has been recorded yet\n"
    assert tracker("images", "--json").json == []


@pytest.mark.parametrize(
    ("form", "beginning"), [("dot", "digraph"), ("mermaid", "flowchart"), ("json", "{"), ("svg", "<svg")]
)
def test_the_graph_is_drawn_in_each_form(form: str, beginning: str, sample: Sample, tracker: Tracker) -> None:
    answer = tracker("graph", "--format", form)

    assert answer.status == 0
    assert beginning in answer.out[:200]
    assert f"{HOST}/img-b:1" in answer.out


def test_a_focus_leaves_out_what_is_neither_below_nor_above(sample: Sample, tracker: Tracker) -> None:
    drawn = tracker("graph", "--format", "json", "img-b:1").out

    assert f"{HOST}/base:1" in drawn
    assert f"{HOST}/img-c:1" not in json.dumps(json.loads(drawn)["nodes"])


def test_a_drawing_of_too_many_images_comes_with_a_note(
    sample: Sample, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.cli.graph.READABLE_MOST", 6)

    whole, focused = tracker("graph"), tracker("graph", "img-b:1")

    note = "note: 8 images are more than a drawing shows well; 'tracker graph IMAGE' draws less\n"
    assert (whole.status, whole.err, focused.err) == (0, note, "")
    assert tracker("graph", "--format", "json").err == ""


def test_a_drawing_goes_to_a_file(sample: Sample, tracker: Tracker, tmp_path: Path) -> None:
    target = tmp_path / "graph.svg"

    answer = tracker("graph", "--format", "svg", "--output", str(target))

    assert (answer.status, answer.out) == (0, "")
    assert "<svg" in target.read_text()


def test_a_file_that_cannot_be_written_is_an_error(sample: Sample, tracker: Tracker, tmp_path: Path) -> None:
    answer = tracker("graph", "--output", str(tmp_path / "no/such/folder.dot"))

    assert answer.status == 1
    assert "no/such/folder.dot" in answer.err
