"""What the measurements rest on, at a size that costs nothing: they run by hand, and would rot unseen."""

from __future__ import annotations

from pathlib import Path

from bench import big_graph
from graph import clock
from graph.database import open_for_reading
from graph.snapshot import TaskStates, read_snapshot
from graph.staleness import Limits, decide


def test_the_large_graph_is_one_that_is_decided_about(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"

    edges = big_graph.make(path, images=300, edges=900, levels=5)
    big_graph.move(path, 1)

    decisions = decide(read_snapshot(open_for_reading(path), TaskStates()), clock.now(), Limits())
    assert edges >= 800
    assert len(decisions) > 200
