"""`tracker check`: real registries asked by this process, on graphs that were written beforehand."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from graph.model import Manifests
from tests.graph_samples import Sample
from tests.real_registry import RealRegistry
from tests.tracker.cli.conftest import Tracker
from tests.tracker.registry.content import Pusher, image
from tracker.state import State

OLD, NEW = image("old"), image("new")


@pytest.fixture
def base(registry: RealRegistry, tmp_path: Path) -> str:
    """The base of one image, as it was seen when that was built; in the registry it is newer."""
    name = f"{registry.host}/team/base:1"
    pusher = Pusher(registry.url)
    pusher.image("team/base", "1", OLD)
    pusher.image("team/base", "1", NEW)
    state = State(tmp_path / "state")
    with contextlib.closing(state.write()) as connection:
        sample = Sample(state, connection)
        sample.observe(name, Manifests(OLD.digest), hours=5)
        sample.build("app:1", name, hours=4)
    return name


def test_what_has_moved_is_told_from_where_to_where(tracker: Tracker, base: str) -> None:
    answer = tracker("check", "--json")

    assert answer.status == 0
    old, new = str(OLD.digest), str(NEW.digest)
    assert answer.json == [{"reference": base, "result": "changed", "from": old, "to": new, "error": None}]


@pytest.mark.parametrize("short", ["base:1", "team/base:1", "base"])
def test_a_short_name_is_enough(tracker: Tracker, base: str, short: str) -> None:
    assert [row["reference"] for row in tracker("check", short, "--json").json] == [base]


@pytest.mark.parametrize("unwatched", ["app:1", "alpine:3.20"])
def test_what_nothing_stands_on_is_refused(tracker: Tracker, base: str, unwatched: str) -> None:
    answer = tracker("check", unwatched)

    assert answer.status == 2
    assert answer.err.startswith(f"error: nothing that was recorded stands on {unwatched},")


def test_a_registry_that_does_not_answer_is_told_and_makes_the_exit_status_1(
    tracker: Tracker, base: str, registry: RealRegistry
) -> None:
    registry.stop()

    answer = tracker("check", "--json")

    assert answer.status == 1
    assert answer.json[0]["result"] == "unavailable"
    assert "Connection refused" in answer.json[0]["error"]
