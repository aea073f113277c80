"""The application below /api/v1: its routes, its errors, its door, and its description of itself."""

from __future__ import annotations

import os

from fastapi import APIRouter, FastAPI

from tracker import __version__
from tracker.api.auth import AnyCaller, Doorkeeper
from tracker.api.door import Door
from tracker.api.v1.answers import ServiceAnswer
from tracker.api.v1.checks import check_routes
from tracker.api.v1.contexts import context_routes
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, handle_faults
from tracker.api.v1.images import change_routes, image_routes
from tracker.api.v1.logs import log_routes
from tracker.api.v1.runs import run_routes
from tracker.api.v1.scans import Scans
from tracker.api.v1.task_parts import credential_routes, timer_routes
from tracker.api.v1.tasks import apply_routes, task_routes
from tracker.api.v1.tokens import token_routes
from tracker.api.v1.views import image_view_routes, run_view_routes, task_view_routes

PREFIX = "/api/v1"
STREAMED = frozenset({"/contexts"})


def build_api(desk: Desk) -> FastAPI:
    """To be mounted at PREFIX."""
    api = FastAPI(title="tracker", version=__version__, docs_url=None, redoc_url=None)
    handle_faults(api)
    doorkeeper = Doorkeeper(desk.connection, desk.now, own_uid=os.geteuid())
    api.add_middleware(Door, doorkeeper=doorkeeper, streamed=STREAMED)
    scans = Scans(desk)
    for router in (
        _service_routes(desk),
        run_routes(desk),
        log_routes(desk),
        context_routes(desk),
        task_routes(desk, scans),
        apply_routes(desk, scans),
        timer_routes(desk),
        credential_routes(desk),
        token_routes(desk),
        image_routes(desk),
        change_routes(desk),
        check_routes(desk),
        image_view_routes(desk),
        run_view_routes(desk),
        task_view_routes(desk),
    ):
        api.include_router(router)
    return api


def _service_routes(desk: Desk) -> APIRouter:
    router = APIRouter(tags=["service"])

    @router.get("/service", summary="Who answers, and what the caller may", responses=FAULTS)
    async def service(caller: AnyCaller) -> ServiceAnswer:
        return ServiceAnswer(
            version=__version__,
            caller=caller.name,
            scopes=sorted(caller.scopes),
            takes_folders=caller.is_local,
            upload_bytes_most=desk.uploads.bytes_most,
        )

    return router
