"""Fixtures for tests of the graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.graph.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty graph in a real database."""
    made = World(tmp_path)
    with closing(made.sql):
        yield made
