"""Routes of tasks: save, look, change, delete, declare. A task is run by asking for a run of it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from graph.errors import TrackerError
from rebuild.secrets.context_secrets import kept_with_task
from rebuild.secrets.task_secrets import TaskSecrets
from rebuild.tasks.stored_task import StoredTasks, WholeTask, kinds_of_triggers
from rebuild.tasks.task import Task, Tasks, check_name
from tracker.api.auth import Caller, Reader, Writer
from tracker.api.v1.answers import (
    ApplyAnswer,
    DifferenceAnswer,
    Left,
    SavedTask,
    TaskAnswer,
    WebhookAnswer,
)
from tracker.api.v1.asked import (
    context_of,
    context_secrets_of,
    definition_of,
    refuse_upload,
    sources_of,
    use_of,
)
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import CONFLICT, FAULTS, FORGE, NOT_FOUND, Conflict, told_as
from tracker.api.v1.runs import check_context
from tracker.api.v1.scans import WAIT_S, Scans
from tracker.api.v1.task_asked import INSTEAD, ApplyAsked, NewTask, TaskChange, TaskGiven, declared
from tracker.sources.webhooks import HookAsked
from tracker.tasks.apply import Outcome, differences, plain_difference
from tracker.tasks.declared import declared_in
from tracker.tasks.saving import Draft, Saved
from tracker.tasks.task_files import TaskFileText

_ANY = FAULTS | NOT_FOUND | CONFLICT


def task_routes(desk: Desk, scans: Scans) -> APIRouter:
    """`/tasks`."""
    router = APIRouter(prefix="/tasks", tags=["tasks"])

    def told(task: Task) -> TaskAnswer:
        return _answer(task, desk, is_scanned=scans.is_going(task.name))

    @router.get("", summary="The saved tasks, by name", responses=FAULTS)
    async def tasks(caller: Reader) -> list[TaskAnswer]:
        return [told(task) for task in Tasks(desk.connection).all()]

    @router.get("/{name}", summary="One task", responses=FAULTS | NOT_FOUND)
    async def task(name: str, caller: Reader) -> TaskAnswer:
        return told(Tasks(desk.connection).named(name))

    @router.post("", status_code=201, summary="Save a new task", responses=FAULTS | FORGE)
    async def create(asked: NewTask, caller: Writer) -> SavedTask:
        """Its files are read to find its bases; where they are slow to come, that goes on behind, and
        `being_scanned` is true meanwhile."""
        return await keep(_draft(asked.name, asked, caller, desk, new=True), asked.hook())

    @router.patch("/{name}", summary="Change what is given of a task", responses=_ANY | FORGE)
    async def change(name: str, asked: TaskChange, caller: Writer) -> SavedTask:
        """Empty texts and lists clear."""
        return await keep(_draft(name, asked, caller, desk, new=False), asked.hook())

    @router.put("/{name}", summary="Save a task, or give one another definition", responses=FAULTS | CONFLICT)
    async def save(name: str, asked: TaskGiven, caller: Writer) -> SavedTask:
        """Its secrets become those given here; what else is not given stays. Its files are read to find its
        bases; where they are slow to come, that goes on behind, and `being_scanned` is true meanwhile."""
        check_name(name)
        refuse_upload(asked.context)
        definition = definition_of(asked, desk.usual, caller)
        check_context(definition, desk)
        opening = kept_with_task(definition.context, context_secrets_of(asked).sources)
        secrets = {use_of(definition.step): sources_of(asked), **opening}
        draft = Draft(
            lambda sql: asked.whole(name, definition, _old(name, sql)),
            secrets,
            credentials=declared(asked.credentials),
        )
        return await keep(draft, HookAsked())

    def keep(draft: Draft, hook: HookAsked) -> Awaitable[SavedTask]:
        return _keep(draft, hook, desk, scans)

    @router.delete(
        "/{name}", status_code=204, summary="Delete a task", responses=_ANY | {200: {"model": Left}}
    )
    async def delete(name: str, caller: Writer) -> Response:
        """What it built, its runs and their logs stay. Its webhook goes along; 200 says that it could not."""
        with told_as(Conflict):
            stays = await desk.webhooks.withdraw(StoredTasks.of_reader(desk.connection).deletable(name))
            with desk.changing() as change:
                StoredTasks(change.sql, change.cipher).delete(name, change.at)
        if stays is None:
            return Response(status_code=204)
        return JSONResponse(_left(stays).model_dump())

    return router


def apply_routes(desk: Desk, scans: Scans) -> APIRouter:
    """`/apply`."""
    router = APIRouter(tags=["tasks"])

    @router.post("/apply", summary="Make the saved tasks equal to declared ones", responses=FAULTS | CONFLICT)
    async def apply(asked: ApplyAsked, caller: Writer) -> ApplyAnswer:
        """All of them, or none. The files are as `tracker task apply` has them."""
        files = [TaskFileText(one.name, Path("/") / one.folder, one.text) for one in asked.files]
        allowed = partial(context_of, caller=caller, instead=INSTEAD)
        wanted = await asyncio.to_thread(declared_in, files, desk.usual, allowed)
        if asked.dry_run:
            done = Outcome(differences(desk.archive, wanted, prune=asked.prune))
        else:
            with told_as(Conflict):
                done = await scans.apply(wanted, prune=asked.prune, wait_s=WAIT_S)
            desk.wake()
        return ApplyAnswer(
            differences=[DifferenceAnswer.model_validate(plain_difference(one)) for one in done.differences],
            unknown={name: list(reasons) for name, reasons in done.unknown.items()},
            left=[_left(fault) for fault in done.left],
        )

    return router


async def _keep(draft: Draft, hook: HookAsked, desk: Desk, scans: Scans) -> SavedTask:
    """Nothing is done where what is asked of the webhook cannot be."""
    wanted = draft.wanted(desk.connection)
    chosen = desk.webhooks.chosen(wanted.definition.context, hook)
    gone = None
    if hook.unregister:
        gone = await desk.webhooks.unregister(Tasks(desk.connection).named(wanted.name))
    task, scanned = await scans.save(draft, wait_s=WAIT_S)
    desk.wake()
    registered = await desk.webhooks.register(task, chosen) if chosen else None
    saved = Saved.of(task.definition, scanned)
    return SavedTask(
        **_answer(task, desk, is_scanned=scans.is_going(task.name)).model_dump(),
        watched=saved.watched,
        unknown=list(saved.unknown),
        registered_webhook=WebhookAnswer(**asdict(registered)) if registered else None,
        unregistered_webhook=gone.repository if gone else None,
    )


def _left(stays: TrackerError) -> Left:
    return Left(warning=stays.message, hint=stays.hint)


def _draft(name: str, asked: TaskChange, caller: Caller, desk: Desk, *, new: bool) -> Draft:
    draft = Draft.of(name, asked.asked(caller), desk.usual, new=new)
    return replace(draft, credentials=declared(asked.credentials))


def _old(name: str, sql: sqlite3.Connection) -> WholeTask | None:
    if not Tasks(sql).exists(name):
        return None
    return StoredTasks.of_reader(sql).whole(Tasks(sql).named(name))


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
