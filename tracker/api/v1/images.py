"""Routes of images: what is known, what each stands on, what is stale and what would be rebuilt.

They answer as the commands do with --json. Each works in a thread, on a connection of its own.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from tracker.api.auth import Reader
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, NOT_FOUND
from tracker.api.v1.image_answers import (
    DecisionAnswer,
    DependantsAnswer,
    ImageAnswer,
    PlanAnswer,
    TreeAnswer,
)
from tracker.views.bases import deps_view, tree_json
from tracker.views.dependants import dependant_json, rdeps_view
from tracker.views.images import image_json, images_view
from tracker.views.plan import plan_view, steps_json, totals_json
from tracker.views.stale import stale_view
from tracker.views.verdicts import decision_json

Name = Annotated[str, Query(max_length=512)]
Workers = Annotated[int, Query(ge=1, le=256)]


def image_routes(desk: Desk) -> APIRouter:
    """`/images`."""
    router = APIRouter(tags=["images"])

    @router.get(
        "/images", summary="Every image in the graph", responses=FAULTS, response_model=list[ImageAnswer]
    )
    def images(caller: Reader) -> JSONResponse:
        with desk.looking() as look:
            view = images_view(look)
        return JSONResponse([image_json(image, view.tasks) for image in view.images])

    @router.get(
        "/images/{name:path}/deps",
        summary="The tree of its bases",
        responses=FAULTS | NOT_FOUND,
        response_model=TreeAnswer,
    )
    def deps(name: str, caller: Reader) -> JSONResponse:
        with desk.looking() as look:
            return JSONResponse(tree_json(deps_view(look, name)))

    @router.get(
        "/images/{name:path}/rdeps",
        summary="What stands on it",
        responses=FAULTS | NOT_FOUND,
        response_model=DependantsAnswer,
    )
    def rdeps(name: str, caller: Reader) -> JSONResponse:
        with desk.looking() as look:
            view = rdeps_view(look, name)
        above = [dependant_json(one) for one in view.dependants]
        return JSONResponse({"reference": view.name, "dependants": above})

    return router


def change_routes(desk: Desk) -> APIRouter:
    """`/stale` and `/plan`."""
    router = APIRouter(tags=["images"])

    @router.get(
        "/stale",
        summary="Images whose bases have moved, and what becomes of them",
        responses=FAULTS,
        response_model=list[DecisionAnswer],
    )
    def stale(caller: Reader) -> JSONResponse:
        with desk.looking() as look:
            view = stale_view(look)
        return JSONResponse([decision_json(decision, view.names, look.now) for decision in view.found])

    @router.get(
        "/plan",
        summary="What would be rebuilt now, or if one image moved",
        responses=FAULTS | NOT_FOUND,
        response_model=PlanAnswer,
    )
    def plan(
        caller: Reader,
        image: Name | None = None,
        workers: Workers | None = None,
    ) -> JSONResponse:
        with desk.looking() as look:
            preview = plan_view(look, image, workers).preview
        return JSONResponse({"steps": list(steps_json(preview)), **totals_json(preview.wave)})

    return router
