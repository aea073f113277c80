"""Makes a large graph by bulk inserts: layered, each image on some of the images below it."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from graph.database import immediate, open_for_writing
from graph.migrations import graph_tables, migrate

_AT = "2026-01-01T00:00:00.000Z"


def make(path: Path, *, images: int, edges: int, levels: int = 100, seed: int = 1) -> int:
    """Write the graph; answers the number of edges. Image 1 is a root that nearly everything stands on."""
    connection = open_for_writing(path)
    migrate(connection, graph_tables)
    chance = random.Random(seed)
    rows = _edges(images, edges, levels, chance)
    with immediate(connection):
        _insert(connection, images, rows)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("ANALYZE")
    connection.close()
    return len(rows)


def _edges(images: int, edges: int, levels: int, chance: random.Random) -> list[tuple[int, int]]:
    width = max(1, images // levels)
    found: set[tuple[int, int]] = set()
    for image_id in range(2, images + 1):
        level = (image_id - 1) // width
        lowest = 1 if level < 2 else 1 + (level - 2) * width
        highest = image_id - 1 if level == 0 else level * width
        found.add((image_id, 1 if level == 0 else chance.randint(lowest, highest)))
    while len(found) < edges:
        image_id = chance.randint(width + 1, images)
        level = (image_id - 1) // width
        lowest = max(1, 1 + (level - 5) * width)
        found.add((image_id, chance.randint(lowest, level * width)))
    return sorted(found)


def _insert(connection: sqlite3.Connection, images: int, rows: list[tuple[int, int]]) -> None:
    connection.executemany(
        "INSERT INTO digests(id, value, looked_into) VALUES (?, ?, 1)",
        ((number, f"sha256:{number:064x}") for number in range(1, images + 2)),
    )
    connection.executemany(
        "INSERT INTO images(id, name, origin, task_id, build_id) VALUES (?, ?, 'built', ?, ?)",
        (
            (number, f"registry.example.com/team{number % 97}/image{number}:latest", number, number)
            for number in range(1, images + 1)
        ),
    )
    connection.executemany(
        "INSERT INTO builds VALUES (?, NULL, ?, ?, ?, 'linux/amd64', 1, ?, 30)",
        ((n, n, n, f"sha256:{n:064x}", _AT) for n in range(1, images + 1)),
    )
    connection.executemany(
        "INSERT INTO observations(image_id, digest_id, changed_at, checked_at, due_at) VALUES (?, ?, ?, ?, ?)",
        ((number, number, _AT, _AT, _AT) for number in range(1, images + 1)),
    )
    connection.executemany(
        "INSERT INTO edges(image_id, base_id, role, via, stage, line, digest_id, platforms)"
        " VALUES (?, ?, 'runtime', 'from', '0', 1, ?, 'linux/amd64')",
        ((image_id, base_id, base_id) for image_id, base_id in rows),
    )
