"""Reads from the database the part of the graph that may need something. Decides nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime

from graph.database import consistent, numbers
from graph.drift import read_moved
from graph.order import bases_of_each
from graph.record import dataclass
from graph.staleness import Attempt, BaseMoved, Snapshot
from graph.uncollected import uncollected
from graph.words import Role, Via

__all__ = ["TaskStates", "if_moved", "read_above", "read_bases", "read_moved", "read_snapshot"]

_UPPERS = """
    SELECT i.id, i.task_id, (
      SELECT group_concat(e.image_id) FROM edges e INDEXED BY edges_by_base
      WHERE e.base_id = i.id AND e.followed = 1
    )
    FROM json_each(?) s CROSS JOIN images i ON i.id = s.value
"""


@dataclass(frozen=True, slots=True)
class TaskStates:
    """What the runs say of the tasks."""

    busy: Set[int] = frozenset()
    paused: Set[int] = frozenset()
    failed: Mapping[int, Attempt] | None = None
    canceled: Mapping[int, datetime] | None = None
    off: Set[int] = frozenset()  # tasks that follow no base
    runtime_only: Set[int] = frozenset()  # tasks that follow runtime bases alone
    requested: Set[int] = frozenset()  # tasks that are to be run once
    no_syntax: Set[int] = frozenset()  # tasks that do not follow the image of a `# syntax=` line


def read_snapshot(connection: sqlite3.Connection, states: TaskStates) -> Snapshot:
    """All that is stale or busy, and everything above it."""
    with consistent(connection), uncollected():
        moved = read_moved(connection)
        seeds = [*moved, *_made_by(connection, {*states.busy, *states.requested})]
        region = _read_upwards(connection, seeds)
        newer = _newer_tags(connection, moved)
        bases: Mapping[int, Sequence[int]] = bases_of_each(region.above)
        if newer:
            bases = _with_newer_tags(bases, newer)
        return Snapshot(
            moved=moved,
            bases=_with_expected(connection, bases, states.requested) if states.requested else bases,
            tasks={**_tasks_of_bases(connection, moved, newer), **region.tasks},
            busy=states.busy,
            paused=states.paused,
            failed=states.failed or {},
            canceled=states.canceled or {},
            ignored=_ignored(connection, region, states),
            requested=states.requested,
            overtaken=frozenset(newer),
        )


def if_moved(
    connection: sqlite3.Connection, image_id: int, at: datetime, states: TaskStates | None = None
) -> Snapshot:
    """What there would be if that image alone had moved at that time, and nothing else were the matter."""
    states = states or TaskStates()
    with consistent(connection):
        direct = connection.execute(
            "SELECT image_id, digest_id FROM edges WHERE base_id = ? AND followed = 1", (image_id,)
        ).fetchall()
        region = _read_upwards(connection, [upper for upper, _ in direct])
        return Snapshot(
            moved={
                upper: (BaseMoved(image_id, "", digest_id, digest_id, at, at),) for upper, digest_id in direct
            },
            bases=bases_of_each(region.above),
            tasks={**_tasks_of(connection, [image_id]), **region.tasks},
            paused=states.paused,
            ignored=_ignored(connection, region, states),
        )


def read_above(connection: sqlite3.Connection, image_ids: Iterable[int]) -> list[int]:
    """These images and all that stand on them, directly or not."""
    with consistent(connection):
        return list(_read_upwards(connection, image_ids).above)


def read_bases(connection: sqlite3.Connection, region: Iterable[int]) -> dict[int, list[int]]:
    """For each image of the region those of its bases that are in the region too."""
    bases: dict[int, list[int]] = {image_id: [] for image_id in region}
    rows = connection.execute(
        "SELECT e.image_id, e.base_id FROM json_each(?) s"
        " CROSS JOIN edges e ON e.image_id = s.value WHERE e.followed = 1",
        (numbers(bases),),
    )
    for image_id, base_id in rows:
        if base_id in bases:
            bases[image_id].append(base_id)
    return bases


@dataclass(frozen=True, slots=True)
class _Region:
    """Images with what stands on them, complete upwards, and the tasks that make them."""

    above: Mapping[int, Sequence[int]]
    tasks: Mapping[int, int]


class _Numbers(dict[str, int]):
    """Reads each number once, and answers one object for it, however many edges lead there."""

    def __missing__(self, text: str) -> int:
        number = self[text] = int(text)
        return number


def _read_upwards(connection: sqlite3.Connection, image_ids: Iterable[int]) -> _Region:
    """Layer by layer: each image is looked up once, and with it all the edges that lead upwards from it."""
    above: dict[int, tuple[int, ...]] = {}
    tasks: dict[int, int] = {}
    number_of = _Numbers()
    layer = set(image_ids)
    while layer:
        found: set[int] = set()
        for image_id, task_id, uppers in connection.execute(_UPPERS, (numbers(layer),)):
            above[image_id] = numbered = (
                tuple(map(number_of.__getitem__, uppers.split(","))) if uppers else ()
            )
            found.update(numbered)
            if task_id is not None:
                tasks[image_id] = task_id
        layer = found - above.keys()
    return _Region(above, tasks)


def _ignored(
    connection: sqlite3.Connection, region: _Region, states: TaskStates
) -> dict[int, frozenset[int]]:
    """For the images of tasks that do not follow every base: the bases that they leave alone."""
    reluctant = [
        image_id
        for image_id, task_id in region.tasks.items()
        if task_id in states.off or task_id in states.runtime_only or task_id in states.no_syntax
    ]
    rows = connection.execute(
        "SELECT e.image_id, e.base_id, e.role, e.via FROM json_each(?) s"
        " CROSS JOIN edges e ON e.image_id = s.value WHERE e.followed = 1",
        (numbers(reluctant),),
    )
    ignored: dict[int, set[int]] = {}
    for image_id, base_id, role, via in rows:
        task_id = region.tasks[image_id]
        buildtime = task_id in states.runtime_only and role != Role.RUNTIME
        syntax = task_id in states.no_syntax and via == Via.SYNTAX
        if task_id in states.off or buildtime or syntax:
            ignored.setdefault(image_id, set()).add(base_id)
    return {image_id: frozenset(bases) for image_id, bases in ignored.items()}


def _made_by(connection: sqlite3.Connection, task_ids: Set[int]) -> list[int]:
    rows = connection.execute(
        "SELECT i.id FROM json_each(?) s CROSS JOIN images i ON i.task_id = s.value", (numbers(task_ids),)
    )
    return [row[0] for row in rows]


def _with_expected(
    connection: sqlite3.Connection, bases: Mapping[int, Sequence[int]], task_ids: Set[int]
) -> dict[int, Sequence[int]]:
    """What has never been built stands on what a scan of it has found."""
    rows = connection.execute(
        "SELECT i.id, x.base_id FROM json_each(?) s CROSS JOIN expected_bases x ON x.task_id = s.value"
        " CROSS JOIN images i ON i.task_id = x.task_id WHERE i.id <> x.base_id",
        (numbers(task_ids),),
    )
    told = dict(bases)
    for image_id, base_id in rows:
        if base_id in told and base_id not in told[image_id]:
            told[image_id] = (*told[image_id], base_id)
    return told


def _newer_tags(
    connection: sqlite3.Connection, moved: Mapping[int, Sequence[BaseMoved]]
) -> dict[int, list[int]]:
    """Stale image → the newer tags that make it so. Where nobody follows tags, no image is looked at."""
    if connection.execute("SELECT 1 FROM followings WHERE newer_id IS NOT NULL LIMIT 1").fetchone() is None:
        return {}
    newer = {
        image_id: [one.seen_at_id for one in evidence if one.seen_at_id is not None]
        for image_id, evidence in moved.items()
    }
    return {image_id: names for image_id, names in newer.items() if names}


def _with_newer_tags(
    bases: Mapping[int, Sequence[int]], newer: Mapping[int, Sequence[int]]
) -> dict[int, Sequence[int]]:
    """An image waits for a newer tag that is being rebuilt as it does for its bases."""
    told = dict(bases)
    for image_id, names in newer.items():
        waiting = [name for name in dict.fromkeys(names) if name in told and name not in told[image_id]]
        if waiting:
            told[image_id] = (*told[image_id], *waiting)
    return told


def _tasks_of_bases(
    connection: sqlite3.Connection,
    moved: Mapping[int, Sequence[BaseMoved]],
    newer: Mapping[int, Sequence[int]],
) -> dict[int, int]:
    bases = {evidence.base_id for its_evidence in moved.values() for evidence in its_evidence}
    return _tasks_of(connection, bases.union(*newer.values()))


def _tasks_of(connection: sqlite3.Connection, image_ids: Iterable[int]) -> dict[int, int]:
    rows = connection.execute(
        "SELECT i.id, i.task_id FROM json_each(?) s CROSS JOIN images i ON i.id = s.value"
        " WHERE i.task_id IS NOT NULL",
        (numbers(image_ids),),
    )
    return dict(rows.fetchall())
