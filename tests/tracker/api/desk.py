"""The API on a state folder of its own, without a network: callers of every kind, and what they come to."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from graph.clock import now
from graph.database import immediate
from graph.observing import Watched
from graph.reference import Platform
from rebuild.images.tools import Tools
from rebuild.runs.logs import log_path
from rebuild.runs.table import Runs, Status
from rebuild.runs.uploads import UploadLimits, Uploads
from rebuild.secrets.api_token import ApiTokens, Scope
from rebuild.secrets.secret_reader import Places
from rebuild.secrets.task_secrets import TaskSecrets
from tracker.api.auth import UNIX
from tracker.api.v1.app import build_api
from tracker.api.v1.desk import Desk, Usual
from tracker.equipping import cipher_of
from tracker.settings.settings import Settings
from tracker.settings.written import Written
from tracker.sources.forge_finding import forges_of
from tracker.sources.repository_access import RepositoryAccess
from tracker.sources.webhooks import Webhooks
from tracker.state import State
from tracker.tasks.saving import Archive
from tracker.watching.watch import Answer

LIMITS = UploadLimits(bytes_most=4 * 1024 * 1024, total_bytes_most=6 * 1024 * 1024)
GIT = "http://127.0.0.1:1/app.git"  # nobody answers there
USUAL = Settings()
DOCKER: dict[str, Any] = {"context": GIT, "step": {"kind": "docker", "images": ["app:1"]}}


@dataclass
class ApiDesk:
    """The application, its parts, and a token for each scope."""

    desk: Desk
    app: FastAPI
    tokens: dict[Scope, str]
    woken: list[int]
    answers: list[httpx.Response] = field(default_factory=list)

    @property
    def sql(self) -> sqlite3.Connection:
        return self.desk.connection

    @contextlib.asynccontextmanager
    async def caller(self, *scopes: Scope, uid: int | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """Over TCP with a token for one scope, or over the unix socket as a user; else nobody known."""
        headers = {"Authorization": f"Bearer {self.tokens[scopes[0]]}"} if scopes else {}
        client = (UNIX, uid) if uid is not None else ("127.0.0.1", 4321)
        transport = httpx.ASGITransport(self.app, client=client, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://tracker", headers=headers
        ) as caller:
            yield caller

    async def ask(
        self, method: str, path: str, *scopes: Scope, uid: int | None = None, **more: Any
    ) -> httpx.Response:
        """One request; by default of the service's own user."""
        if not scopes and uid is None:
            uid = os.geteuid()
        async with self.caller(*scopes, uid=uid) as caller:
            return await caller.request(method, path, **more)

    async def run(self, **asked: Any) -> str:
        """The id of a run that waits in the queue."""
        answer = await self.ask("POST", "/runs", json={**DOCKER, **asked})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["run_id"])

    def start(self, run_id: str) -> None:
        with immediate(self.sql):
            run = Runs(self.sql).claim(now(), "1:1:1", run_id=run_id)
            assert run is not None
            Runs(self.sql).set_running(run)

    def finish(self, run_id: str, status: Status = Status.SUCCEEDED) -> None:
        with immediate(self.sql):
            Runs(self.sql).finish(Runs(self.sql).get(run_id), status, now())

    def log(self, run_id: str) -> Path:
        return log_path(self.desk.state.logs, run_id)


async def ask_nobody(references: Sequence[Watched]) -> AsyncGenerator[list[Answer], None]:
    """Every reference is as it was."""
    for reference in references:
        yield [Answer(reference, now())]


@contextlib.contextmanager
def api_desk(folder: Path, settings: Settings = USUAL) -> Iterator[ApiDesk]:
    state = State(folder / "state")
    connection = state.write()
    woken: list[int] = []
    cipher = cipher_of(state.folder, {})
    access = RepositoryAccess(TaskSecrets(connection, cipher), Places(os.environ))
    desk = Desk(
        connection=connection,
        state=state,
        written=Written(),
        usual=Usual("registry.example.com", Platform.parse("linux/amd64"), 600.0, False),
        tools=cast(Tools, None),  # asks no registry and no engine
        cipher=cipher,
        uploads=Uploads(state.uploads, LIMITS),
        archive=Archive(connection, cipher, Places(), state.scratch, "registry.example.com"),
        webhooks=Webhooks(connection, settings, forges_of(settings), access, now),
        wake=lambda: woken.append(1),
        ask_now=ask_nobody,
        is_stopping=lambda: False,
        now=now,
    )
    with immediate(connection):
        tokens = {s: ApiTokens(connection).create(f"only-{s}", [s], now())[1].reveal() for s in Scope}
    try:
        yield ApiDesk(desk, build_api(desk), tokens, woken)
    finally:
        connection.close()
