"""Routes of views: what tracker's own commands print elsewhere, as the values that they print it from.

They belong to one version of tracker, and so the description of the API does not have them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from msgspec import to_builtins

from tracker.api.auth import Reader
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import NotFound, told_as
from tracker.api.v1.images import Name, Workers
from tracker.views.bases import deps_view
from tracker.views.dependants import rdeps_view
from tracker.views.drawing import drawing_view
from tracker.views.images import images_view
from tracker.views.plan import plan_view
from tracker.views.runs import run_view, runs_view, shown_run_view
from tracker.views.stale import stale_view
from tracker.views.story import story_view
from tracker.views.tasks import credentials_view, task_view, tasks_view, timers_view
from tracker.views.waiting import waiting_view

Top = Annotated[int, Query(ge=1, le=1000)]


class _Told:
    """Looks, and makes of what was seen what JSON can hold."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, look_at: Callable[..., Any], **asked: str | int | None) -> Any:
        with self._desk.looking() as look, told_as(NotFound):
            return to_builtins(look_at(look, **asked), str_keys=True)


def image_view_routes(desk: Desk) -> APIRouter:
    """`/views`: what tracker's own commands print, as the values that they print it from."""
    router = APIRouter(prefix="/views", tags=["views"], include_in_schema=False)
    told = _Told(desk)

    @router.get("/deps")
    def deps(image: Name, caller: Reader) -> Any:
        return told(deps_view, image=image)

    @router.get("/rdeps")
    def rdeps(image: Name, caller: Reader) -> Any:
        return told(rdeps_view, image=image)

    @router.get("/why")
    def why(image: Name, caller: Reader) -> Any:
        return told(story_view, image=image)

    @router.get("/graph")
    def graph(caller: Reader, image: Name | None = None) -> Any:
        return told(drawing_view, image=image)

    @router.get("/images")
    def images(caller: Reader) -> Any:
        return told(images_view)

    @router.get("/stale")
    def stale(caller: Reader) -> Any:
        return told(stale_view)

    @router.get("/plan")
    def plan(caller: Reader, image: Name | None = None, workers: Workers | None = None) -> Any:
        return told(plan_view, image=image, workers=workers)

    return router


def run_view_routes(desk: Desk) -> APIRouter:
    """`/views/runs`, `/views/run`, and what is to be told of them."""
    router = APIRouter(prefix="/views", tags=["views"], include_in_schema=False)
    told = _Told(desk)

    @router.get("/runs")
    def runs(
        caller: Reader,
        task: Name | None = None,
        status: Name | None = None,
        image: Name | None = None,
        top: Top = 30,
    ) -> Any:
        return told(runs_view, task=task, status=status, image=image, top=top)

    @router.get("/shown-run")
    def shown_run(run: Name, caller: Reader) -> Any:
        return told(shown_run_view, run=run)

    @router.get("/waiting")
    def waiting(caller: Reader) -> Any:
        return told(waiting_view)

    @router.get("/run")
    def run(
        caller: Reader, run: Name | None = None, task: Name | None = None, image: Name | None = None
    ) -> Any:
        return told(run_view, run=run, task=task, image=image)

    return router


def task_view_routes(desk: Desk) -> APIRouter:
    """`/views/tasks`, `/views/task` and what belongs to one."""
    router = APIRouter(prefix="/views", tags=["views"], include_in_schema=False)
    told = _Told(desk)

    @router.get("/tasks")
    def tasks(caller: Reader) -> Any:
        return told(tasks_view)

    @router.get("/task")
    def task(task: Name, caller: Reader) -> Any:
        return told(task_view, task=task)

    @router.get("/timers")
    def timers(task: Name, caller: Reader) -> Any:
        return told(timers_view, task=task)

    @router.get("/credentials")
    def credentials(task: Name, caller: Reader) -> Any:
        return told(credentials_view, task=task)

    return router
