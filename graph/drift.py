"""Compares what was recorded of bases with what was observed since, platform by platform."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from graph.clock import from_text
from graph.platforms import pick, split
from graph.record import dataclass
from graph.reference import Platform
from graph.staleness import BaseMoved

_MOVED = """
    SELECT e.image_id, e.base_id, e.digest_id, o.digest_id, o.changed_at, e.platforms
    FROM observations o INDEXED BY observations_moved
    CROSS JOIN edges e INDEXED BY edges_by_base ON e.base_id = o.image_id AND e.followed = 1
    WHERE o.moved = 1 AND e.digest_id <> o.digest_id
"""

_OVERTAKEN = """
    SELECT f.image_id, f.base_id, e.digest_id, f.newer_id, o.digest_id, o.changed_at, f.noted_at, e.platforms
    FROM followings f INDEXED BY followings_overtaken
    JOIN edges e ON e.image_id = f.image_id AND e.base_id = f.base_id AND e.followed = 1
    JOIN observations o ON o.image_id = f.newer_id AND o.digest_id IS NOT NULL
    WHERE f.newer_id IS NOT NULL
"""
_PINNED = """
    SELECT e.image_id, e.base_id, e.digest_id, p.tag_id, o.digest_id, o.changed_at, e.platforms
    FROM pinned_tags p
    CROSS JOIN observations o ON o.image_id = p.tag_id
    CROSS JOIN edges e INDEXED BY edges_by_base ON e.base_id = p.image_id AND e.followed = 1
    WHERE e.digest_id <> o.digest_id
"""


def read_moved(connection: sqlite3.Connection) -> dict[int, tuple[BaseMoved, ...]]:
    """Stale images with their evidence. A change that touches no platform of an image leaves it fresh."""
    compare = _Comparison(connection)
    found: dict[int, tuple[BaseMoved, ...]] = defaultdict(tuple)
    for image_id, base_id, recorded, observed, changed_at, platforms in connection.execute(_MOVED):
        evidence = compare(_Pair(base_id, recorded, observed, changed_at, platforms))
        if evidence:
            found[image_id] += evidence
    _overtake(connection, compare, found)
    return dict(found)


def _overtake(
    connection: sqlite3.Connection, compare: _Comparison, found: dict[int, tuple[BaseMoved, ...]]
) -> None:
    """Where a newer tag takes the place of a base, what that one holds counts, and nothing else."""
    for (
        image_id,
        base_id,
        recorded,
        newer_id,
        observed,
        changed_at,
        noted_at,
        platforms,
    ) in connection.execute(_OVERTAKEN):
        pair = _Pair(newer_id, recorded, observed, max(changed_at, noted_at), platforms)
        evidence = tuple(_by_newer_tag(moved, base_id, noted_at) for moved in compare(pair))
        others = tuple(moved for moved in found.pop(image_id, ()) if moved.base_id != base_id)
        if others or evidence:
            found[image_id] = (*others, *evidence)


def _by_newer_tag(moved: BaseMoved, base_id: int, noted_at: str) -> BaseMoved:
    noted = from_text(noted_at)
    moved_at = max(moved.moved_at, noted)
    return replace(moved, base_id=base_id, seen_at_id=moved.base_id, since=noted, moved_at=moved_at)


def read_pinned(connection: sqlite3.Connection) -> dict[int, tuple[BaseMoved, ...]]:
    """Images on a base that is pinned by digest, beside which a tag stands that points elsewhere by now.

    Nothing follows from it: they are what their files say.
    """
    compare = _Comparison(connection)
    found: dict[int, tuple[BaseMoved, ...]] = defaultdict(tuple)
    for image_id, base_id, recorded, tag_id, observed, changed_at, platforms in connection.execute(_PINNED):
        for moved in compare(_Pair(tag_id, recorded, observed, changed_at, platforms)):
            found[image_id] += (replace(moved, base_id=base_id, seen_at_id=tag_id),)
    return dict(found)


@dataclass(frozen=True, slots=True)
class _Pair:
    """What a build recorded of a base, and what the registry said last."""

    base_id: int
    recorded_id: int
    observed_id: int
    changed_at: str
    platforms: str


class _Comparison:
    """Compares each pair once, however many images share it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._done: dict[_Pair, tuple[BaseMoved, ...]] = {}
        self._contents: dict[int, dict[Platform, int]] = {}

    def __call__(self, pair: _Pair) -> tuple[BaseMoved, ...]:
        if pair not in self._done:
            self._done[pair] = tuple(self._compare(pair))
        return self._done[pair]

    def _compare(self, pair: _Pair) -> Iterator[BaseMoved]:
        seen = self._seen_since(pair)
        for platform in split(pair.platforms):
            recorded = self._manifest(pair.recorded_id, platform)
            observed = self._manifest(pair.observed_id, platform)
            if recorded != observed:
                manifests = [(self._manifest(digest_id, platform), at) for digest_id, at in seen]
                since, moved_at = when_it_moved(recorded, manifests)
                held = pair.recorded_id if recorded is None else recorded
                yield BaseMoved(pair.base_id, str(platform), held, observed, since, moved_at)

    def _manifest(self, digest_id: int, platform: Platform) -> int | None:
        """The manifest that the platform uses; the digest itself where it is no index."""
        if digest_id not in self._contents:
            rows = self._sql.execute(
                "SELECT platform, digest_id FROM manifests WHERE index_id = ?", (digest_id,)
            )
            self._contents[digest_id] = {Platform.parse(text): manifest for text, manifest in rows}
        held = self._contents[digest_id]
        return pick(held, platform) if held else digest_id

    def _seen_since(self, pair: _Pair) -> list[tuple[int, datetime]]:
        """What the reference pointed to, and from when, since it last pointed to what was recorded."""
        rows = self._sql.execute(
            "SELECT digest_id, observed_at FROM observation_history WHERE image_id = ?1 AND id >"
            " (SELECT max(id) FROM observation_history WHERE image_id = ?1 AND digest_id = ?2) ORDER BY id",
            (pair.base_id, pair.recorded_id),
        ).fetchall()
        if not rows or rows[-1][0] != pair.observed_id:  # never seen there, or so long ago that it is pruned
            rows = [(pair.observed_id, pair.changed_at)]
        return [(digest_id, from_text(at)) for digest_id, at in rows]


def when_it_moved(
    recorded: int | None, seen: Sequence[tuple[int | None, datetime]]
) -> tuple[datetime, datetime]:
    """When the manifest first moved away from the recorded one for good, and when it moved last.

    `seen` is what the platform was given, oldest first; it is not empty and ends with another manifest
    than `recorded`. Moves of the index that concern other platforms only do not count.
    """
    since = moved_at = seen[0][1]
    before = recorded
    for manifest, at in seen:
        if manifest != before:
            moved_at = at
            since = at if before == recorded else since
        before = manifest
    return since, moved_at
