"""Routes of tasks: save, look, delete. A task is run by asking for a run of it."""

from __future__ import annotations

import json
from dataclasses import replace

from fastapi import APIRouter, Response

from graph.database import immediate
from graph.errors import TrackerError
from rebuild.context_secrets import kept_with_task
from rebuild.definition import Definition
from rebuild.stored_task import StoredTasks, WholeTask, kinds_of_triggers
from rebuild.task import Task, Tasks, check_name
from rebuild.task_secrets import TaskSecrets
from tracker.api.auth import Reader, Writer
from tracker.api.v1.answers import SavedTask, TaskAnswer
from tracker.api.v1.asked import (
    SavedAsked,
    context_secrets_of,
    definition_of,
    refuse_upload,
    sources_of,
    use_of,
)
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import CONFLICT, FAULTS, NOT_FOUND, Conflict
from tracker.api.v1.runs import check_context
from tracker.api.v1.scans import WAIT_S, Scans


def task_routes(desk: Desk) -> APIRouter:
    """`/tasks`."""
    router = APIRouter(prefix="/tasks", tags=["tasks"])
    scans = Scans(desk)

    def told(task: Task) -> TaskAnswer:
        return _answer(task, desk, is_scanned=scans.is_going(task.name))

    @router.get("", summary="The saved tasks, by name", responses=FAULTS)
    async def tasks(caller: Reader) -> list[TaskAnswer]:
        return [told(task) for task in Tasks(desk.connection).all()]

    @router.get("/{name}", summary="One task", responses=FAULTS | NOT_FOUND)
    async def task(name: str, caller: Reader) -> TaskAnswer:
        return told(Tasks(desk.connection).named(name))

    @router.put("/{name}", summary="Save a task, or give one another definition", responses=FAULTS)
    async def save(name: str, asked: SavedAsked, caller: Writer) -> SavedTask:
        """Its secrets become those given here; its triggers and timers stay. Its files are read to find its
        bases; where they are slow to come, that goes on behind, and `being_scanned` is true meanwhile."""
        check_name(name)
        refuse_upload(asked.context)
        definition = definition_of(asked, desk.usual, caller)
        check_context(definition, desk)
        wanted = _whole(name, definition, desk)
        opening = kept_with_task(definition.context, context_secrets_of(asked).sources)
        secrets = {use_of(definition.step): sources_of(asked), **opening}
        saved, scanned = await scans.save(wanted, secrets, wait_s=WAIT_S)
        desk.wake()
        return SavedTask(**told(saved).model_dump(), unknown=list(scanned.unknown))

    @router.delete(
        "/{name}", status_code=204, summary="Delete a task", responses=FAULTS | NOT_FOUND | CONFLICT
    )
    async def delete(name: str, caller: Writer) -> Response:
        """What it built, its runs and their logs stay."""
        Tasks(desk.connection).named(name)
        try:
            with immediate(desk.connection):
                StoredTasks(desk.connection, desk.cipher).delete(name, desk.now())
        except TrackerError as error:
            if type(error) is not TrackerError:
                raise
            raise Conflict(error.message, hint=error.hint) from None
        return Response(status_code=204)

    return router


def _whole(name: str, definition: Definition, desk: Desk) -> WholeTask:
    if not Tasks(desk.connection).exists(name):
        return WholeTask(name, definition)
    old = StoredTasks(desk.connection, desk.cipher).whole(Tasks(desk.connection).named(name))
    return replace(old, definition=definition)


def _answer(task: Task, desk: Desk, *, is_scanned: bool) -> TaskAnswer:
    stored = TaskSecrets(desk.connection, desk.cipher).list(task.task_id)
    whole = StoredTasks(desk.connection, desk.cipher).whole(task)
    return TaskAnswer(
        name=task.name,
        enabled=task.enabled,
        triggers=kinds_of_triggers(whole),
        being_scanned=is_scanned,
        definition=json.loads(task.definition.to_json()),
        secrets=[{"use": each.use, "name": each.name, "source": each.source} for each in stored],
    )
