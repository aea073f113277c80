"""Routes of images: what is known, what each stands on, what is stale and what would be rebuilt.

They answer as the commands do with --json. Each works in a thread, on a connection of its own.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from graph.lineage import bases_of, dependants_of, list_images
from tracker.api.auth import Reader
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, NOT_FOUND
from tracker.cli.deps import dependant_json, tree_json
from tracker.cli.images import image_json
from tracker.cli.plan import foresee, steps_json, totals_json
from tracker.cli.stale import stale_decisions
from tracker.cli.verdicts import decision_json, read_names
from tracker.written_settings import workers_of

Json = dict[str, Any]


def image_routes(desk: Desk) -> APIRouter:
    """`/images`, `/stale` and `/plan`."""
    router = APIRouter(tags=["images"])

    @router.get("/images", summary="Every image in the graph", responses=FAULTS)
    def images(caller: Reader) -> list[Json]:
        with desk.looking() as look:
            found = list_images(look.sql)
            tasks = look.task_names({image.task_id for image in found if image.task_id is not None})
        return [image_json(image, tasks) for image in found]

    @router.get("/images/{name:path}/deps", summary="The tree of its bases", responses=FAULTS | NOT_FOUND)
    def deps(name: str, caller: Reader) -> Json:
        with desk.looking() as look:
            image_id, _ = look.image(name)
            return tree_json(bases_of(look.sql, image_id))

    @router.get("/images/{name:path}/rdeps", summary="What stands on it", responses=FAULTS | NOT_FOUND)
    def rdeps(name: str, caller: Reader) -> Json:
        with desk.looking() as look:
            image_id, full = look.image(name)
            above = dependants_of(look.sql, image_id)
        return {"reference": full, "dependants": [dependant_json(one) for one in above]}

    @router.get("/stale", summary="Images whose bases have moved, and what becomes of them", responses=FAULTS)
    def stale(caller: Reader) -> list[Json]:
        with desk.looking() as look:
            found, _ = stale_decisions(look)
            names = read_names(look, found)
        return [decision_json(decision, names, look) for decision in found]

    @router.get(
        "/plan", summary="What would be rebuilt now, or if one image moved", responses=FAULTS | NOT_FOUND
    )
    def plan(
        caller: Reader,
        image: Annotated[str | None, Query(max_length=512)] = None,
        workers: Annotated[int | None, Query(ge=1, le=256)] = None,
    ) -> Json:
        with desk.looking() as look:
            _, preview = foresee(look, image, workers or workers_of(look.written))
        return {"steps": list(steps_json(preview)), **totals_json(preview.wave)}

    return router
