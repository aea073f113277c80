"""Makes a large graph by bulk inserts: layered, each image on some of the images below it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from graph.database import immediate, open_for_writing
from graph.migrations import graph_tables, migrate
from graph.model import Manifests
from graph.reference import Digest, ImageRef
from graph.store import GraphStore, Source
from rebuild.migrations import run_tables

_AT = "2026-01-01T00:00:00.000Z"
_MOVED_AT = datetime(2026, 2, 1, tzinfo=UTC)


def make(path: Path, *, images: int, edges: int, levels: int = 100, seed: int = 1) -> int:
    """Write the graph; answers the number of edges. Image 1 is a root that nearly everything stands on."""
    connection = open_for_writing(path)
    migrate(connection, graph_tables, run_tables)
    connection.execute("PRAGMA foreign_keys=OFF")  # the rows are right by construction
    with immediate(connection):
        _insert_images(connection, images)
        _insert_edges(connection, _edges(images, edges, levels, random.Random(seed)))
    count = int(connection.execute("SELECT count(*) FROM edges").fetchone()[0])
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return count


def name_of(number: int) -> ImageRef:
    """The image of that number."""
    return ImageRef("registry.example.com", f"team{number % 97}/image{number}", "latest")


def move(path: Path, number: int) -> None:
    """Let the registry answer another digest for an image than the one that all others were built on."""
    connection = open_for_writing(path)
    with immediate(connection):
        digest = Digest("sha256", f"{0xF00D:x}{number:060x}")
        GraphStore(connection).observe(name_of(number), Manifests(digest), _MOVED_AT, Source.POLL)
    connection.close()


def _edges(images: int, edges: int, levels: int, chance: random.Random) -> Iterator[tuple[int, int]]:
    """Sorted pairs of image and base: one base of the level below for each image, then others at random."""
    width = max(1, images // levels)
    extra = max(0, edges - (images - 1)) / max(1, images - width)
    owed = 0.0
    for image_id in range(2, images + 1):
        level = (image_id - 1) // width
        if level == 0:
            yield image_id, 1
            continue
        nearest = 1 + max(0, level - 2) * width
        bases = {nearest + int(chance.random() * (level * width + 1 - nearest))}
        owed += extra
        lowest = 1 + max(0, level - 5) * width
        span = level * width + 1 - lowest
        while owed >= 0.5 and len(bases) < span:
            before = len(bases)
            bases.add(lowest + int(chance.random() * span))
            owed -= len(bases) - before
        for base_id in sorted(bases):
            yield image_id, base_id


def _insert_images(connection: sqlite3.Connection, images: int) -> None:
    numbers = range(1, images + 1)
    connection.executemany(
        "INSERT INTO digests(id, value, looked_into) VALUES (?, ?, 1)",
        ((number, f"sha256:{number:064x}") for number in numbers),
    )
    connection.executemany(
        "INSERT INTO images(id, name, origin, task_id, build_id) VALUES (?, ?, 'built', ?, ?)",
        ((number, str(name_of(number)), number, number) for number in numbers),
    )
    connection.executemany(
        "INSERT INTO builds(id, task_id, digest_id, content_id, platforms, pushed, built_at, duration_s)"
        " VALUES (?, ?, ?, ?, 'linux/amd64', 1, ?, 30)",
        ((number, number, number, f"sha256:{number:064x}", _AT) for number in numbers),
    )
    connection.executemany("INSERT INTO build_images VALUES (?, ?)", ((number, number) for number in numbers))
    connection.executemany(
        "INSERT INTO observations(image_id, digest_id, changed_at, checked_at, due_at)"
        " VALUES (?, ?, ?, ?, ?)",
        ((number, number, _AT, _AT, _AT) for number in numbers),
    )


def _insert_edges(connection: sqlite3.Connection, edges: Iterator[tuple[int, int]]) -> None:
    connection.execute("DROP INDEX edges_by_base")  # filling an index afterwards is twice as fast
    connection.executemany(
        "INSERT INTO edges(image_id, base_id, role, via, stage, line, digest_id, platforms)"
        " VALUES (?, ?, 'runtime', 'from', '0', 1, ?, 'linux/amd64')",
        ((image_id, base_id, base_id) for image_id, base_id in edges),
    )
    connection.execute("CREATE INDEX edges_by_base ON edges(base_id, followed, digest_id)")
