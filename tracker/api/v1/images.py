"""Routes of images: what is known, what each stands on, what is stale and what would be rebuilt.

They answer as the commands do with --json. Each works in a thread, on a connection of its own.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from tracker.api.auth import Reader
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, NOT_FOUND
from tracker.views.bases import deps_view, tree_json
from tracker.views.dependants import dependant_json, rdeps_view
from tracker.views.images import image_json, images_view
from tracker.views.plan import plan_view, steps_json, totals_json
from tracker.views.stale import stale_view
from tracker.views.verdicts import decision_json

Json = dict[str, Any]
Name = Annotated[str, Query(max_length=512)]
Workers = Annotated[int, Query(ge=1, le=256)]


def image_routes(desk: Desk) -> APIRouter:
    """`/images`, `/stale` and `/plan`."""
    router = APIRouter(tags=["images"])

    @router.get("/images", summary="Every image in the graph", responses=FAULTS)
    def images(caller: Reader) -> list[Json]:
        with desk.looking() as look:
            view = images_view(look)
        return [image_json(image, view.tasks) for image in view.images]

    @router.get("/images/{name:path}/deps", summary="The tree of its bases", responses=FAULTS | NOT_FOUND)
    def deps(name: str, caller: Reader) -> Json:
        with desk.looking() as look:
            return tree_json(deps_view(look, name))

    @router.get("/images/{name:path}/rdeps", summary="What stands on it", responses=FAULTS | NOT_FOUND)
    def rdeps(name: str, caller: Reader) -> Json:
        with desk.looking() as look:
            view = rdeps_view(look, name)
        return {"reference": view.name, "dependants": [dependant_json(one) for one in view.dependants]}

    @router.get("/stale", summary="Images whose bases have moved, and what becomes of them", responses=FAULTS)
    def stale(caller: Reader) -> list[Json]:
        with desk.looking() as look:
            view = stale_view(look)
        return [decision_json(decision, view.names, look.now) for decision in view.found]

    @router.get(
        "/plan", summary="What would be rebuilt now, or if one image moved", responses=FAULTS | NOT_FOUND
    )
    def plan(
        caller: Reader,
        image: Name | None = None,
        workers: Workers | None = None,
    ) -> Json:
        with desk.looking() as look:
            preview = plan_view(look, image, workers).preview
        return {"steps": list(steps_json(preview)), **totals_json(preview.wave)}

    return router
