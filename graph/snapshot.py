"""Reads from the database the part of the graph that may need something. Decides nothing."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime

from graph.clock import from_text
from graph.reference import Platform
from graph.staleness import Attempt, BaseMoved, Snapshot
from graph.store import split

_MOVED = """
    SELECT e.image_id, e.base_id, e.digest_id, o.digest_id, o.changed_at, e.platforms
    FROM observations o
    CROSS JOIN edges e INDEXED BY edges_by_base ON e.base_id = o.image_id AND e.followed = 1
    WHERE o.digest_id IS NOT NULL AND e.digest_id <> o.digest_id
"""

_ABOVE = """
    WITH RECURSIVE above(id) AS (
      SELECT value FROM json_each(?)
      UNION
      SELECT e.image_id FROM above CROSS JOIN edges e INDEXED BY edges_by_base
        ON e.base_id = above.id AND e.followed = 1
    )
    SELECT id FROM above
"""


@dataclass(frozen=True, slots=True)
class TaskStates:
    """What the runs say of the tasks."""

    busy: Set[int] = frozenset()
    paused: Set[int] = frozenset()
    failed: Mapping[int, Attempt] | None = None


def read_snapshot(connection: sqlite3.Connection, states: TaskStates) -> Snapshot:
    """All that is stale or busy, and everything above it."""
    moved = read_moved(connection)
    tasks = dict(connection.execute("SELECT id, task_id FROM images WHERE task_id IS NOT NULL"))
    busy_images = [image_id for image_id, task_id in tasks.items() if task_id in states.busy]
    region = read_above(connection, [*moved, *busy_images])
    return Snapshot(
        moved=moved,
        bases=read_bases(connection, region),
        tasks=tasks,
        busy=states.busy,
        paused=states.paused,
        failed=states.failed or {},
    )


def read_moved(connection: sqlite3.Connection) -> dict[int, tuple[BaseMoved, ...]]:
    """Stale images with their evidence."""
    compare = _Comparison(connection)
    found: dict[int, list[BaseMoved]] = defaultdict(list)
    for image_id, base_id, recorded, observed, moved_at, platforms in connection.execute(_MOVED):
        evidence = compare(base_id, recorded, observed, moved_at, platforms)
        if evidence:
            found[image_id] += evidence
    return {image_id: tuple(evidence) for image_id, evidence in found.items()}


def read_above(connection: sqlite3.Connection, image_ids: Iterable[int]) -> list[int]:
    """These images and all that stand on them, directly or not."""
    seeds = "[" + ",".join(map(str, image_ids)) + "]"
    return [row[0] for row in connection.execute(_ABOVE, (seeds,))]


def read_bases(connection: sqlite3.Connection, region: Iterable[int]) -> dict[int, list[int]]:
    """For each image of the region those of its bases that are in the region too."""
    same = {image_id: image_id for image_id in region}  # one int object for each image, however many edges
    bases: dict[int, list[int]] = {image_id: [] for image_id in same}
    for image_id, base_id in _edges_of(connection, same):
        inside = same.get(base_id)
        if inside is not None and image_id in bases:
            bases[image_id].append(inside)
    return bases


def _edges_of(connection: sqlite3.Connection, region: Mapping[int, int]) -> Iterable[tuple[int, int]]:
    count = connection.execute("SELECT count(*) FROM images").fetchone()[0]
    if len(region) * 3 > count:  # most of the graph: one pass over the table beats looking each image up
        return connection.execute("SELECT image_id, base_id FROM edges WHERE followed = 1")
    seeds = "[" + ",".join(map(str, region)) + "]"
    query = (
        "SELECT e.image_id, e.base_id FROM json_each(?) s"
        " CROSS JOIN edges e ON e.image_id = s.value WHERE e.followed = 1"
    )
    return connection.execute(query, (seeds,))


class _Comparison:
    """Compares one recorded digest with one observed, once however many images share the pair."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._done: dict[tuple[int, int, str], tuple[BaseMoved, ...]] = {}
        self._held: dict[int, Callable[[Platform], int | None]] = {}

    def __call__(
        self, base_id: int, recorded: int, observed: int, moved_at: str, platforms: str
    ) -> tuple[BaseMoved, ...]:
        key = (base_id, recorded, platforms)
        if key not in self._done:
            self._done[key] = self._compare(base_id, recorded, observed, moved_at, platforms)
        return self._done[key]

    def _compare(
        self, base_id: int, recorded: int, observed: int, moved_at: str, platforms: str
    ) -> tuple[BaseMoved, ...]:
        before, after = self._holds(recorded), self._holds(observed)
        moved = []
        for platform in split(platforms):
            old, new = before(platform), after(platform)
            if old != new:
                since = self._since(base_id, recorded, moved_at)
                moved.append(
                    BaseMoved(base_id, str(platform), old or recorded, new, since, from_text(moved_at))
                )
        return tuple(moved)

    def _holds(self, digest_id: int) -> Callable[[Platform], int | None]:
        """Which manifest each platform uses; the digest itself where it is no index."""
        if digest_id not in self._held:
            rows = self._sql.execute(
                "SELECT platform, digest_id FROM manifests WHERE index_id = ?", (digest_id,)
            ).fetchall()
            by_platform = {Platform.parse(text): manifest for text, manifest in rows}

            def manifest_of(platform: Platform) -> int | None:
                if not by_platform:
                    return digest_id
                return next((by_platform[p] for p in platform.compatible if p in by_platform), None)

            self._held[digest_id] = manifest_of
        return self._held[digest_id]

    def _since(self, base_id: int, recorded: int, moved_at: str) -> datetime:
        """When the base first moved away from what was recorded."""
        row = self._sql.execute(
            "SELECT min(observed_at) FROM observation_history WHERE image_id = ?1 AND id > coalesce("
            "(SELECT max(id) FROM observation_history WHERE image_id = ?1 AND digest_id = ?2), 0)",
            (base_id, recorded),
        ).fetchone()
        return from_text(row[0] or moved_at)
