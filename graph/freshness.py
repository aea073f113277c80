"""Counts how far the images are behind their bases, for metrics and summaries. Names no image."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from graph.database import consistent
from graph.drift import read_moved, read_pinned
from graph.record import dataclass


@dataclass(frozen=True, slots=True)
class Freshness:
    """How the graph stands at one moment."""

    tracked: int  # images with a recorded build
    watched: int  # references that are asked about regularly
    behind_s: Mapping[int, float]  # stale image → seconds since the first of its bases moved away
    pinned: int = 0  # images on a base that is pinned by digest, and whose tag has moved

    @property
    def stale(self) -> int:
        return len(self.behind_s)

    @property
    def oldest_s(self) -> float:
        """The longest that any image has been behind; 0 where all are fresh."""
        return max(self.behind_s.values(), default=0.0)


def read_freshness(connection: sqlite3.Connection, now: datetime) -> Freshness:
    """Costs two counts, and more only where bases have moved."""
    with consistent(connection):
        return Freshness(
            tracked=_count(connection, "images WHERE build_id IS NOT NULL"),
            watched=_count(connection, "observations WHERE due_at IS NOT NULL"),
            behind_s={
                image_id: max(0.0, (now - min(moved.since for moved in evidence)).total_seconds())
                for image_id, evidence in read_moved(connection).items()
            },
            pinned=len(read_pinned(connection)),
        )


def _count(connection: sqlite3.Connection, rows: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])
