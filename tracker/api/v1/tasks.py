"""Routes of tasks: save, look, delete. A task is run by asking for a run of it."""

from __future__ import annotations

import json

from fastapi import APIRouter

from graph.database import immediate
from rebuild.task import Task, Tasks, check_name
from rebuild.task_secrets import TaskSecrets
from tracker.api.auth import Reader, Writer
from tracker.api.v1.answers import TaskAnswer
from tracker.api.v1.asked import SavedAsked, definition_of, refuse_upload, sources_of, use_of
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, NOT_FOUND
from tracker.api.v1.runs import check_context


def task_routes(desk: Desk) -> APIRouter:
    """`/tasks`."""
    router = APIRouter(prefix="/tasks", tags=["tasks"])

    @router.get("", summary="The saved tasks, by name", responses=FAULTS)
    async def tasks(caller: Reader) -> list[TaskAnswer]:
        return [_answer(task, desk) for task in Tasks(desk.connection).all()]

    @router.get("/{name}", summary="One task", responses=FAULTS | NOT_FOUND)
    async def task(name: str, caller: Reader) -> TaskAnswer:
        return _answer(Tasks(desk.connection).named(name), desk)

    @router.put("/{name}", summary="Save a task, or give one another definition", responses=FAULTS)
    async def save(name: str, asked: SavedAsked, caller: Writer) -> TaskAnswer:
        """Its secrets become those given here."""
        check_name(name)
        refuse_upload(asked.context)
        definition = definition_of(asked, desk.usual, caller)
        check_context(definition, desk)
        secrets = sources_of(asked)
        with immediate(desk.connection):
            saved = Tasks(desk.connection).save(name, definition, desk.now())
            kept = TaskSecrets(desk.connection, desk.cipher)
            kept.replace(saved.task_id, use_of(definition.step), secrets, desk.now())
        desk.wake()
        return _answer(saved, desk)

    return router


def _answer(task: Task, desk: Desk) -> TaskAnswer:
    stored = TaskSecrets(desk.connection, desk.cipher).list(task.task_id)
    return TaskAnswer(
        name=task.name,
        enabled=task.enabled,
        definition=json.loads(task.definition.to_json()),
        secrets=[{"use": each.use, "name": each.name, "source": each.source} for each in stored],
    )
