"""Routes of runs: ask for one, look, cancel, keep. Carries nothing out: the service does."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from graph.database import immediate
from graph.errors import TrackerError
from rebuild.context.where import Folder, Source, Uploaded
from rebuild.images.image_build import examine
from rebuild.runs.cancel import cancel_run
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.logs import log_path
from rebuild.runs.preparation import Prepared, image_build
from rebuild.runs.run_names import as_if_run
from rebuild.runs.table import Cause, Runs
from rebuild.runs.uploads import upload_path
from rebuild.secrets.api_token import Scope
from rebuild.secrets.run_secrets import RunSecrets
from rebuild.secrets.secret import Secret
from rebuild.secrets.update_token import remember_token
from rebuild.tasks.task import Tasks
from tracker.api.auth import Caller, Reader, Runner, require
from tracker.api.v1.answers import RunAnswer, WholeRun
from tracker.api.v1.asked import (
    DefinitionAsked,
    RunAsked,
    TaskAsked,
    context_secrets_of,
    definition_of,
    overridden,
    secrets_of,
    use_of,
)
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import CONFLICT, FAULTS, NOT_FOUND, Conflict, NotFound, told_as
from tracker.api.v1.rehearsal import Rehearsal
from tracker.views.runs import RunRow, newest_runs, run_json, run_named, steps_of

TOP_MOST = 1000
PERSON_FIRST = 1e9  # a priority: somebody waits for this run, before those that the service asked for itself

StatusWord = Literal["Queued", "Started", "Running", "Succeeded", "Failed", "Canceled", "Error", "Timeout"]


class RunChange(BaseModel):
    """What of a run may change: whether its log is kept beyond the usual time."""

    model_config = ConfigDict(extra="forbid")

    archived: bool


def run_routes(desk: Desk) -> APIRouter:
    """`/runs`."""
    router = APIRouter(prefix="/runs", tags=["runs"])
    rehearsal = Rehearsal(desk)

    @router.post("", status_code=201, summary="Ask for a run", responses=FAULTS)
    async def ask(asked: RunAsked, caller: Runner, response: Response) -> RunAnswer:
        definition = _definition(asked, caller, desk)
        if isinstance(asked, DefinitionAsked):
            await rehearsal.check(definition, secrets_of(asked))
        run_id = ask_for_run(asked, definition, caller, desk)
        desk.wake()
        response.headers["Location"] = f"/api/v1/runs/{run_id}"
        return _answer(find_run(desk.connection, run_id), desk)

    @router.get("", summary="Runs, newest first", responses=FAULTS | NOT_FOUND)
    async def runs(
        caller: Reader,
        task: Annotated[str | None, Query(max_length=100)] = None,
        status: StatusWord | None = None,
        top: Annotated[int, Query(ge=1, le=TOP_MOST)] = 30,
    ) -> list[RunAnswer]:
        if task is not None:
            Tasks(desk.connection).named(task)
        return [
            _answer(row, desk) for row in newest_runs(desk.connection, task=task, status=status, most=top)
        ]

    @router.get("/{run_id}", summary="One run", responses=FAULTS | NOT_FOUND)
    async def run(run_id: str, caller: Reader) -> WholeRun:
        return whole_run(find_run(desk.connection, run_id), desk)

    @router.post("/{run_id}/cancel", summary="End a run", responses=FAULTS | NOT_FOUND | CONFLICT)
    async def cancel(run_id: str, caller: Runner) -> RunAnswer:
        found = find_run(desk.connection, run_id)
        with told_as(Conflict), immediate(desk.connection):
            cancel_run(desk.connection, found.run_id, desk.now())
        desk.wake()
        return _answer(find_run(desk.connection, run_id), desk)

    @router.patch(
        "/{run_id}", summary="Keep the log beyond the usual time, or no longer", responses=FAULTS | NOT_FOUND
    )
    async def change(run_id: str, change: RunChange, caller: Runner) -> RunAnswer:
        found = find_run(desk.connection, run_id)
        with immediate(desk.connection):
            runs = Runs(desk.connection)
            runs.set_archived(runs.get(found.run_id), archived=change.archived)
        return _answer(found, desk)

    return router


def ask_for_run(
    asked: DefinitionAsked | TaskAsked, definition: Definition, caller: Caller, desk: Desk
) -> str:
    """Put it into the queue, with its secrets; answers the id. One transaction."""
    task = Tasks(desk.connection).named(asked.task) if isinstance(asked, TaskAsked) else None
    secrets, opening, token = secrets_of(asked), context_secrets_of(asked), _update_token(asked, caller)
    with immediate(desk.connection):
        run = Runs(desk.connection).add(
            definition,
            Cause.MANUAL if task else Cause.QUICK,
            desk.now(),
            task_id=task.task_id if task else None,
            priority=PERSON_FIRST,
            asked_by=caller.name,
        )
        kept = RunSecrets(desk.connection, desk.cipher)
        kept.replace(run.number, use_of(definition.step), secrets)
        kept.open_context(run.number, opening)
        if task and token is not None:
            remember_token(desk.connection, desk.cipher, task.task_id, token, desk.now())
    return run.run_id


def _update_token(asked: DefinitionAsked | TaskAsked, caller: Caller) -> Secret | None:
    """It stays with the task, so it takes what a changed task takes."""
    if isinstance(asked, DefinitionAsked) or asked.update_trigger_token is None:
        return None
    require(caller, Scope.WRITE)
    return Secret(asked.update_trigger_token.get_secret_value())


def _definition(asked: DefinitionAsked | TaskAsked, caller: Caller, desk: Desk) -> Definition:
    if isinstance(asked, DefinitionAsked):
        definition = definition_of(asked, desk.usual, caller)
    else:
        task = Tasks(desk.connection).named(asked.task)
        if asked.context or asked.file:
            # Another context may do with the secrets of the task what it likes, as a changed task may.
            require(caller, Scope.WRITE)
        definition = overridden(task.definition, asked, caller)
    check_context(definition, desk)
    return definition


def check_context(definition: Definition, desk: Desk) -> None:
    """What can be wrong with names, and a context that is here already, is told before there is a run."""
    place, step = Source.parse(definition.context).place, definition.step
    if isinstance(place, Uploaded):
        upload_path(desk.state.uploads, place.upload_id)
    if isinstance(step, DockerStep):
        example = as_if_run(step, registry=desk.usual.registry, at=desk.now())
        if isinstance(place, Folder):
            examine(image_build(definition, example, Prepared(place.path, is_local=True)), desk.tools)


def find_run(sql: sqlite3.Connection, run_id: str) -> RunRow:
    """Raises `NotFound`."""
    try:
        return run_named(sql, run_id[:40])
    except TrackerError as error:
        raise NotFound(error.message, hint=error.hint) from None


def _answer(row: RunRow, desk: Desk) -> RunAnswer:
    return RunAnswer.model_validate(run_json(row, desk.now()))


def whole_run(row: RunRow, desk: Desk) -> WholeRun:
    """With the bases of its builds and the size of its log."""
    builds: list[tuple[int, int]] = desk.connection.execute(
        "SELECT id, pushed FROM builds WHERE run_id = ? ORDER BY id", (row.run_id,)
    ).fetchall()
    log = log_path(desk.state.logs, row.run_id)
    plain: dict[str, Any] = {
        **run_json(row, desk.now()),
        "steps": [asdict(step) for step in steps_of(desk.connection, row.run_id)],
        "bases": [base for build_id, _ in builds for base in _bases(desk.connection, build_id)],
        "pushed": any(pushed for _, pushed in builds),
        "log_bytes": log.stat().st_size if log.exists() else 0,
    }
    return WholeRun.model_validate(plain)


def _bases(sql: sqlite3.Connection, build_id: int) -> list[dict[str, str]]:
    rows = sql.execute(
        "SELECT i.name, d.value FROM build_bases b JOIN images i ON i.id = b.base_id"
        " JOIN digests d ON d.id = b.digest_id WHERE b.build_id = ? ORDER BY b.line, i.name",
        (build_id,),
    )
    return [{"reference": name, "digest": digest} for name, digest in rows]
