"""Reads what is in the graph: which image a name means, what stands above one, and the list of all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graph.ancestry import Base, Image, bases_of
from graph.database import consistent, numbers
from graph.errors import TrackerError, WrongUse
from graph.hearsay import anything_said, survey
from graph.model import Role
from graph.reference import ImageRef

__all__ = [
    "Base",
    "Dependant",
    "Image",
    "Listed",
    "UnknownImage",
    "bases_of",
    "dependants_of",
    "find_image",
    "list_images",
]


class UnknownImage(TrackerError):
    """No image of that name has been recorded."""


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


def find_image(connection: sqlite3.Connection, text: str) -> tuple[int, str]:
    """The number and full name of the image that a person means by `text`, short where unambiguous."""
    reference = ImageRef.parse(text)
    for among in ("origin <> 'said'", "origin = 'said'"):  # a stranger's word hides no name of ours
        found = _find_among(connection, text, reference, among)
        if found is not None:
            return found
    raise UnknownImage(
        f"no image {reference} has been recorded",
        hint="'tracker images' lists the known ones; 'tracker build' records a new one",
    )


def _find_among(
    connection: sqlite3.Connection, text: str, reference: ImageRef, among: str
) -> tuple[int, str] | None:
    row = connection.execute(
        f"SELECT id, name FROM images WHERE name = ? AND {among}", (str(reference),)
    ).fetchone()
    if row is not None:
        return int(row[0]), str(row[1])
    candidates = _named_like(connection, text, reference, among)
    if len(candidates) > 1:
        names = ", ".join(name for _, name in candidates[:5]) + (", …" if len(candidates) > 5 else "")
        raise WrongUse(f"{text!r} is ambiguous: it may be {names}", hint="write the name in full")
    return candidates[0] if candidates else None


def _named_like(
    connection: sqlite3.Connection, text: str, reference: ImageRef, among: str
) -> list[tuple[int, str]]:
    """Images whose name ends as the text does; failing that, those of that repository under any one tag."""
    short = reference.familiar
    tail = short.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    query = f"SELECT id, name FROM images WHERE name LIKE ? ESCAPE '\\' AND {among} ORDER BY name LIMIT 20"
    found = connection.execute(query, (f"%/{tail}",)).fetchall()
    if not found and reference.digest is None and not text.endswith(f":{reference.tag}"):
        found = connection.execute(query, (f"%/{tail.removesuffix(':latest')}:%",)).fetchall()
    return [(int(image_id), str(name)) for image_id, name in found]


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


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list of images."""

    image_id: int
    reference: str
    origin: str
    digest: str | None
    built_at: str | None
    bases: int
    dependants: int
    task_id: int | None = field(default=None)


def list_images(connection: sqlite3.Connection) -> list[Listed]:
    """Every image that was built here or recorded as a base, by name."""
    rows = connection.execute(
        "SELECT i.id, i.name, i.origin, coalesce(bd.value, od.value), b.built_at,"
        " (SELECT count(*) FROM edges e WHERE e.image_id = i.id),"
        " (SELECT count(*) FROM edges e WHERE e.base_id = i.id), i.task_id"
        " FROM images i LEFT JOIN builds b ON b.id = i.build_id LEFT JOIN digests bd ON bd.id = b.digest_id"
        " LEFT JOIN observations o ON o.image_id = i.id LEFT JOIN digests od ON od.id = o.digest_id"
        " WHERE i.origin <> 'said' ORDER BY i.name"
    )
    return [Listed(*row) for row in rows]
