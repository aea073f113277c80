"""Newer tags and pinned bases, as the commands that look tell of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graph.database import immediate
from graph.following import Followings
from graph.model import Followed
from graph.reference import ImageRef
from graph.tag_lists import TagLists
from tests.graph_samples import AMD64, Sample, digest_of, index_of
from tests.tracker.cli.conftest import Tracker

PYTHON = "docker.io/library/python"


@pytest.fixture
def overtaken(sample: Sample) -> Sample:
    """web stands on python:3.12.1, which its Dockerfile calls python:3.12; since then 3.12.2 was listed."""
    task = sample.task("web", "web:1")
    sample.observe("python:3.12.1", index_of(amd64="old"), hours=9)
    base = sample.base("python:3.12.1", first=True, line=1, platforms=(AMD64,))
    followed = Followed(f"{PYTHON}:3.12.*", ImageRef.parse("python:3.12"))
    sample.build("web:1", replace(base, followed=followed), hours=8, task=task)
    tags = ["3.12.1", "3.12.2", "3.13.0"]
    with immediate(sample.sql):
        TagLists(sample.sql).observe(PYTHON, tags, None, sample.ago(3))
        Followings(sample.sql).compare(PYTHON, tags, sample.ago(3))
    sample.observe("python:3.12.2", index_of(amd64="new"), hours=2)
    return sample


@pytest.fixture
def pinned(sample: Sample) -> Sample:
    """web stands on alpine:3 at a digest that the tag has left."""
    held = index_of(amd64="old")
    sample.observe(f"alpine:3@{held.digest}", held, hours=9)
    sample.build("web:1", f"alpine:3@{held.digest}", hours=8, task=sample.task("web", "web:1"))
    sample.observe("alpine:3", index_of(amd64="new"), hours=72)
    return sample


def test_an_image_of_whose_base_there_is_a_newer_tag_is_stale(overtaken: Sample, tracker: Tracker) -> None:
    old, new = digest_of("old").short, digest_of("new").short

    assert tracker("stale").lines == [
        "web:1",
        "  rebuild: there is a newer tag of a base",
        "  python:3.12.1",
        f"  - linux/amd64: {old} → {new} at python:3.12.2, 3 hours ago",
        "",
        "1 image is stale: 1 to rebuild now",
    ]


def test_the_json_names_the_newer_tag(overtaken: Sample, tracker: Tracker) -> None:
    (found,) = tracker("stale", "--json").json

    assert (found["verdict"], found["reason"]) == ("rebuild", "newer-tag")
    assert found["evidence"][0]["base"] == f"{PYTHON}:3.12.1"
    assert found["evidence"][0]["seen_at"] == f"{PYTHON}:3.12.2"


def test_the_tree_shows_the_newer_tag_below_the_base(overtaken: Sample, tracker: Tracker) -> None:
    answer = tracker("deps", "web:1")

    assert f"python:3.12.2 is {index_of(amd64='new').digest.short}, listed 3 hours ago" in answer.out
    assert "stale" in answer.out
    (base,) = tracker("deps", "web:1", "--json").json["bases"]
    assert base["following"] == {
        "written": f"{PYTHON}:3.12",
        "rule": f"{PYTHON}:3.12.*",
        "newer": f"{PYTHON}:3.12.2",
        "newer_digest": str(index_of(amd64="new").digest),
        "since": base["following"]["since"],
    }


def test_the_story_tells_rule_and_written_name(overtaken: Sample, tracker: Tracker) -> None:
    told = tracker("why", "web:1").out

    assert "to be rebuilt now: there is a newer tag of a base" in told
    assert f"the newest tag by {PYTHON}:3.12.* when it was built; the file says python:3.12" in told
    assert "newer by now: python:3.12.2, listed 3 hours ago" in told


def test_the_plan_holds_what_a_newer_tag_asks_for(overtaken: Sample, tracker: Tracker) -> None:
    assert [step["task"] for step in tracker("plan", "--json").json["steps"]] == ["web"]


def test_a_pin_that_its_tag_has_left_is_told_and_not_stale(pinned: Sample, tracker: Tracker) -> None:
    old, new = digest_of("old").short, digest_of("new").short

    answer = tracker("stale")

    assert "  keep: its base is pinned by digest, and the tag beside it has moved" in answer.lines
    assert f"  - linux/amd64: {old} → {new} at alpine:3, 3 days ago" in answer.lines
    assert "1 image stands on a pinned base whose tag has moved: that rebuilds nothing" in answer.lines
    assert answer.lines[-1] == "no image is stale"
    assert tracker("stale", "--exit-code").status == 0


def test_the_json_of_a_pin_is_a_decision_to_keep(pinned: Sample, tracker: Tracker) -> None:
    (found,) = tracker("stale", "--json").json

    assert (found["verdict"], found["reason"]) == ("keep", "pinned")


def test_the_tree_and_the_story_show_where_the_tag_points_now(pinned: Sample, tracker: Tracker) -> None:
    now_at = f"alpine:3 now points to {index_of(amd64='new').digest.short}, 3 days ago"

    assert f"pinned; {now_at}" in tracker("deps", "web:1").out
    assert f"{now_at}: nothing follows" in tracker("why", "web:1").out
    (base,) = tracker("deps", "web:1", "--json").json["bases"]
    assert (base["fresh"], base["pinned_tag"]["same"]) == (True, False)


def test_a_pinned_image_is_no_part_of_a_plan(pinned: Sample, tracker: Tracker) -> None:
    assert tracker("plan", "--json").json["steps"] == []
