"""A small world for tests of the graph: a real database, names that point somewhere, builds that use them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from graph.database import immediate, open_for_writing
from graph.migrations import graph_tables, migrate
from graph.model import BuildRecord, Manifests, RecordedBase
from graph.reference import Digest, ImageRef, Platform
from graph.snapshot import TaskStates, read_snapshot
from graph.staleness import Decision, Limits, decide
from graph.store import Change, GraphStore, Source
from graph.words import Role, Via

AMD64, ARM64, ARM_V7, ARM_V6 = (
    Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6")
)


def at(minute: float) -> datetime:
    return datetime(2026, 11, 23, 6, tzinfo=UTC) + timedelta(minutes=minute)


def digest_of(seed: str) -> Digest:
    return Digest("sha256", hashlib.sha256(seed.encode()).hexdigest())


def single(seed: str) -> Manifests:
    return Manifests(digest_of(seed))


def index_of(platforms: dict[Platform, str]) -> Manifests:
    """An index; the values are seeds of the platforms' manifests."""
    held = {platform: digest_of(seed) for platform, seed in platforms.items()}
    return Manifests(digest_of(f"index {sorted(platforms.items())}"), held)


def base_of(
    name: str,
    manifests: Manifests,
    *,
    role: Role = Role.RUNTIME,
    line: int = 1,
    platforms: Sequence[Platform] = (AMD64,),
) -> RecordedBase:
    return RecordedBase(ImageRef.parse(name), role, Via.FROM, "0", line, manifests, tuple(platforms))


class World:
    """Names are as a person writes them; minutes count from a fixed morning."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "graph.db"
        self.sql: sqlite3.Connection = open_for_writing(self.path)
        migrate(self.sql, graph_tables)
        self.store = GraphStore(self.sql)
        self.held: dict[str, Manifests] = {}
        self.builds = 0

    def id(self, name: str) -> int:
        return self.store.image_id(ImageRef.parse(name))

    def publish(
        self, name: str, holds: Manifests | str, minute: float = 0, source: Source = Source.POLL
    ) -> Change | None:
        """A registry answers that the name points there."""
        manifests = single(holds) if isinstance(holds, str) else holds
        self.held[name] = manifests
        with immediate(self.sql):
            return self.store.observe(ImageRef.parse(name), manifests, at(minute), source)

    def build(
        self,
        names: str | Sequence[str],
        *bases: str,
        task: int | None = None,
        minute: float = 1,
        platforms: Sequence[Platform] = (AMD64,),
        pushed: Manifests | None = None,
    ) -> int:
        """Record a build on what the bases hold now; the first is the runtime base."""
        images = [names] if isinstance(names, str) else list(names)
        self.builds += 1
        manifests = pushed or single(f"build {self.builds} of {images}")
        roles = [Role.RUNTIME, *[Role.BUILDTIME] * len(bases)]
        used = tuple(
            base_of(
                name,
                self.held.setdefault(name, single(f"first {name}")),
                role=roles[place],
                line=place + 1,
                platforms=platforms,
            )
            for place, name in enumerate(bases)
        )
        self.held.update(dict.fromkeys(images, manifests))
        return self.record(images, used, manifests, task=task, minute=minute, platforms=platforms)

    def record(
        self,
        images: Sequence[str],
        bases: Sequence[RecordedBase],
        manifests: Manifests | None,
        *,
        task: int | None = None,
        minute: float = 1,
        platforms: Sequence[Platform] = (AMD64,),
    ) -> int:
        build = BuildRecord(
            images=tuple(map(ImageRef.parse, images)),
            manifests=manifests,
            content_id=digest_of(f"content {manifests}"),
            platforms=tuple(platforms),
            bases=tuple(bases),
            resolved_at=at(minute),
            built_at=at(minute + 0.5),
            duration_s=30.0,
            task_id=task,
        )
        with immediate(self.sql):
            return self.store.record(build)

    def decisions(
        self, minute: float = 60, limits: Limits | None = None, states: TaskStates | None = None
    ) -> dict[str, Decision]:
        """What is decided on each image that may need something, by short name."""
        snapshot = read_snapshot(self.sql, states or TaskStates())
        decided = decide(snapshot, at(minute), limits or Limits())
        return {self.name(image_id): decision for image_id, decision in decided.items()}

    def name(self, image_id: int) -> str:
        row = self.sql.execute("SELECT name FROM images WHERE id = ?", (image_id,)).fetchone()
        return ImageRef.parse(row[0]).familiar.removesuffix(":latest")
