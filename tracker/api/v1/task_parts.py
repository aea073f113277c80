"""Routes of what belongs to one task: its timers, and its credentials for registries."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from tracker.api.auth import Reader, Writer
from tracker.api.v1.answers import CredentialAnswer, TimerAnswer
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, NOT_FOUND, NotFound, told_as
from tracker.api.v1.task_asked import CredentialChange, CredentialGiven, TimerChange, TimerGiven
from tracker.tasks.parts import (
    add_credential,
    add_timer,
    remove_credential,
    remove_timer,
    update_credential,
    update_timer,
)
from tracker.views.tasks import credentials_view, timers_view

_ANY = FAULTS | NOT_FOUND


def timer_routes(desk: Desk) -> APIRouter:
    """`/tasks/{name}/timers`."""
    router = APIRouter(prefix="/tasks/{name}/timers", tags=["tasks"])

    @router.get("", summary="The timers of a task, by name", responses=_ANY, response_model=list[TimerAnswer])
    def timers(name: str, caller: Reader) -> Any:
        with desk.looking() as look:
            return timers_view(look, name).timers

    @router.post("", status_code=201, summary="Give a task one more timer", responses=_ANY)
    async def add(name: str, asked: TimerGiven, caller: Writer) -> TimerAnswer:
        """Its schedule must differ from those of the others."""
        with desk.changing() as change:
            return TimerAnswer(**add_timer(change, name, asked.name, asked.asked()))

    @router.patch("/{timer}", summary="Change what is given of a timer", responses=_ANY)
    async def update(name: str, timer: str, asked: TimerChange, caller: Writer) -> TimerAnswer:
        with told_as(NotFound), desk.changing() as change:
            return TimerAnswer(**update_timer(change, name, timer, asked.asked()))

    @router.delete("/{timer}", status_code=204, summary="Take a timer from a task", responses=_ANY)
    async def remove(name: str, timer: str, caller: Writer) -> Response:
        with told_as(NotFound), desk.changing() as change:
            remove_timer(change, name, timer)
        return Response(status_code=204)

    return router


def credential_routes(desk: Desk) -> APIRouter:
    """`/tasks/{name}/credentials`."""
    router = APIRouter(prefix="/tasks/{name}/credentials", tags=["tasks"])

    @router.get(
        "",
        summary="Who a task is to registries, without values",
        responses=_ANY,
        response_model=list[CredentialAnswer],
    )
    def credentials(name: str, caller: Reader) -> Any:
        with desk.looking() as look:
            return credentials_view(look, name).credentials

    @router.post("", status_code=204, summary="Give a task one more credential", responses=_ANY)
    async def add(name: str, asked: CredentialGiven, caller: Writer) -> Response:
        """A value is kept encrypted; a source such as `vault:PATH#KEY` is read where the service runs."""
        with desk.changing() as change:
            add_credential(change, name, asked.registry, asked.asked())
        return Response(status_code=204)

    @router.patch(
        "/{registry}", status_code=204, summary="Change what is given of a credential", responses=_ANY
    )
    async def update(name: str, registry: str, asked: CredentialChange, caller: Writer) -> Response:
        with desk.changing() as change:
            update_credential(change, name, registry, asked.asked())
        return Response(status_code=204)

    @router.delete("/{registry}", status_code=204, summary="Take a credential from a task", responses=_ANY)
    async def remove(name: str, registry: str, caller: Writer) -> Response:
        with desk.changing() as change:
            remove_credential(change, name, registry)
        return Response(status_code=204)

    return router
