"""The list of all images, for people to look through."""

from __future__ import annotations

import sqlite3

from graph.record import dataclass


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
    task_id: int | None = None


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
