"""Images that earlier runs have named after themselves, and that nothing makes any more. Builds nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from graph.reference import ImageRef
from graph.store import GraphStore
from rebuild.runs.definition import Definition
from rebuild.runs.table import Run
from rebuild.tasks.task import Task, Tasks


def leave_earlier_names(connection: sqlite3.Connection, run: Run, made: Sequence[ImageRef]) -> None:
    """Of what the run has just made, names of earlier runs like it would stay stale for ever. Belongs inside
    `immediate()`."""
    if run.task_id is None:
        GraphStore(connection).leave_images_behind(_of_quick_runs_like(connection, run, made))
        return
    task = Tasks(connection).of_run(run.run_id)
    if task is None or task.definition.rebuilt() != _as_of_task(run.definition, task):
        return  # somebody had it do another thing for once
    GraphStore(connection).leave_behind(task.task_id, [*made, *task.definition.images])


def _as_of_task(definition: Definition, task: Task) -> Definition:
    """A commit is what the task is there for, however its context says that."""
    if definition.revision is not None:
        definition = replace(definition, context=task.definition.context, revision=None)
    return definition.rebuilt()


def _of_quick_runs_like(connection: sqlite3.Connection, run: Run, made: Sequence[ImageRef]) -> set[int]:
    """Images of the same repositories that earlier quick runs made by the same step. Its context may be
    another: one that is uploaded has a name of its own each time."""
    names = {str(image) for image in made}
    found: set[int] = set()
    for repository in {name.rpartition(":")[0] for name in names}:
        rows = connection.execute(
            "SELECT i.id, i.name FROM images i JOIN builds b ON b.id = i.build_id"
            " JOIN runs r ON r.id = b.run_id"
            " WHERE i.name >= ?1 || ':' AND i.name < ?1 || ';' AND i.task_id IS NULL AND r.task_id IS NULL"
            " AND r.number < ?2 AND json_extract(r.definition, '$.step') = json_extract(?3, '$.step')",
            (repository, run.number, run.definition.to_json()),
        )
        found.update(image_id for image_id, name in rows if name not in names)
    return found
