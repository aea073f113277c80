"""What stands on an image, directly or not. Knows no freshness."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from graph.database import consistent, numbers
from graph.hearsay import anything_said, survey
from graph.record import dataclass
from graph.words import Role


@dataclass(frozen=True, slots=True)
class Dependant:
    """An image above another; `distance` 1 stands on it directly.

    Where `said`, the way leads over what an image says of itself, and over records alone there is none.
    """

    image_id: int
    reference: str
    distance: int
    role: str
    built_at: str | None
    said: bool = False


def dependants_of(connection: sqlite3.Connection, image_id: int) -> list[Dependant]:
    """All that stands on an image, nearest first, each once."""
    with consistent(connection):
        found = _climb(connection, image_id, {})
        if anything_said(connection):
            recorded = {one.image_id for one in found}
            more = _climb(connection, image_id, _said_above(connection))
            found += [replace(one, said=True) for one in more if one.image_id not in recorded]
            found.sort(key=lambda one: (one.distance, one.reference))
        return found


def _climb(
    connection: sqlite3.Connection, image_id: int, said: Mapping[int, Sequence[int]]
) -> list[Dependant]:
    """Layer by layer upwards, over what was recorded and over these edges besides."""
    found: list[Dependant] = []
    seen, layer, distance = {image_id}, [image_id], 0
    while layer:
        distance += 1
        uppers: dict[int, str] = {upper: Role.RUNTIME for base in layer for upper in said.get(base, ())}
        uppers |= _directly_on(connection, layer)
        new = {upper: role for upper, role in uppers.items() if upper not in seen}
        found += [
            Dependant(upper, name, distance, new[upper], built_at)
            for upper, name, built_at in _names(connection, new)
        ]
        layer = list(new)
        seen.update(layer)
    return found


def _said_above(connection: sqlite3.Connection) -> dict[int, list[int]]:
    """Base → the images that are said to stand on it."""
    above: dict[int, list[int]] = {}
    for image_id, bases in survey(connection).edges.items():
        for base_id in bases:
            above.setdefault(base_id, []).append(image_id)
    return above


def _directly_on(connection: sqlite3.Connection, image_ids: Iterable[int]) -> sqlite3.Cursor:
    """Images with an edge to one of these, each once, and the stronger role of those edges."""
    return connection.execute(
        "SELECT e.image_id, max(e.role) FROM json_each(?) s"  # 'runtime' is the greater word
        " CROSS JOIN edges e INDEXED BY edges_by_base ON e.base_id = s.value GROUP BY e.image_id",
        (numbers(image_ids),),
    )


def _names(connection: sqlite3.Connection, image_ids: Iterable[int]) -> sqlite3.Cursor:
    return connection.execute(
        "SELECT i.id, i.name, b.built_at FROM json_each(?) s CROSS JOIN images i ON i.id = s.value"
        " LEFT JOIN builds b ON b.id = i.build_id ORDER BY i.name",
        (numbers(image_ids),),
    )
