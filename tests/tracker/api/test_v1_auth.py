"""Who may use the API: nobody without a token over TCP, users of this machine by what the kernel says."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from graph.clock import now
from graph.database import immediate
from rebuild.secrets.api_token import ApiTokens, Scope
from tests.tracker.api.desk import DOCKER, GIT, ApiDesk
from tracker.api.door import BODY_BYTES_MOST

pytestmark = pytest.mark.anyio

ROUTES = [
    ("GET", "/service", None),
    ("POST", "/runs", Scope.RUN),
    ("GET", "/runs", Scope.READ),
    ("GET", "/runs/a1", Scope.READ),
    ("POST", "/runs/a1/cancel", Scope.RUN),
    ("PATCH", "/runs/a1", Scope.RUN),
    ("GET", "/runs/a1/log", Scope.READ),
    ("GET", "/runs/a1/log/stream", Scope.READ),
    ("PUT", "/contexts", Scope.RUN),
    ("GET", "/tasks", Scope.READ),
    ("GET", "/tasks/t", Scope.READ),
    ("POST", "/tasks", Scope.WRITE),
    ("PUT", "/tasks/t", Scope.WRITE),
    ("PATCH", "/tasks/t", Scope.WRITE),
    ("GET", "/tasks/t/timers", Scope.READ),
    ("POST", "/tasks/t/timers", Scope.WRITE),
    ("PATCH", "/tasks/t/timers/x", Scope.WRITE),
    ("DELETE", "/tasks/t/timers/x", Scope.WRITE),
    ("GET", "/tasks/t/credentials", Scope.READ),
    ("POST", "/tasks/t/credentials", Scope.WRITE),
    ("PATCH", "/tasks/t/credentials/y", Scope.WRITE),
    ("DELETE", "/tasks/t/credentials/y", Scope.WRITE),
    ("POST", "/apply", Scope.WRITE),
    ("GET", "/tokens", Scope.ADMIN),
    ("POST", "/tokens", Scope.ADMIN),
    ("DELETE", "/tokens/z", Scope.ADMIN),
    ("DELETE", "/tasks/t", Scope.WRITE),
    ("GET", "/images", Scope.READ),
    ("GET", "/images/app/deps", Scope.READ),
    ("GET", "/images/app/rdeps", Scope.READ),
    ("GET", "/stale", Scope.READ),
    ("GET", "/plan", Scope.READ),
    ("POST", "/checks", Scope.RUN),
]
NAMED = {
    "a1": "{run_id}", "app": "{name}", "t": "{name}", "x": "{timer}", "y": "{registry}", "z": "{name}"
}  # fmt: skip
BODIES = {"/runs": DOCKER, "/runs/a1": {"archived": True}, "/tasks/t": DOCKER, "/checks": {}}


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_nobody_is_let_in_without_a_token(
    api: ApiDesk, method: str, path: str, scope: Scope | None
) -> None:
    async with api.caller() as caller:
        answer = await caller.request(method, path)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["error"] == "the request has no token"


@pytest.mark.parametrize(("method", "path", "scope"), [route for route in ROUTES if route[2]])
async def test_a_token_without_the_scope_is_refused(
    api: ApiDesk, method: str, path: str, scope: Scope
) -> None:
    body = BODIES.get(path) if method != "GET" else None
    for other in set(Scope) - {scope}:
        answer = await api.ask(method, path, other, json=body)

        assert answer.status_code == 403
        assert f"the scope '{scope}'" in answer.json()["error"]


async def test_every_route_is_tried_here(api: ApiDesk) -> None:
    described = {
        (method.upper(), path) for path, ways in api.app.openapi()["paths"].items() for method in ways
    }
    tried = {
        (method, "/".join(NAMED.get(part, part) for part in path.split("/"))) for method, path, _ in ROUTES
    }

    assert described == tried


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic dTpw", "Bearer ", "", "Bearer \xff"])
async def test_what_is_no_token_of_ours_is_refused(api: ApiDesk, header: str) -> None:
    async with api.caller() as caller:
        answer = await caller.get("/service", headers={"Authorization": header.encode("latin-1")})  # type: ignore[dict-item]

    assert answer.status_code == 401
    assert "nonsense" not in answer.text


async def test_a_wrong_token_is_refused_from_the_service_s_own_user_too(api: ApiDesk) -> None:
    answer = await api.ask("GET", "/service", headers={"Authorization": "Bearer nonsense"})

    assert answer.status_code == 401


async def test_an_expired_token_is_none(api: ApiDesk) -> None:
    at = now()
    with immediate(api.sql):
        _, text = ApiTokens(api.sql).create(
            "old", [Scope.READ], at - timedelta(days=2), expires_at=at - timedelta(days=1)
        )
    async with api.caller() as caller:
        answer = await caller.get("/service", headers={"Authorization": f"Bearer {text.reveal()}"})

    assert answer.status_code == 401


async def test_the_use_of_a_token_is_noted(api: ApiDesk) -> None:
    await api.ask("GET", "/service", Scope.READ)

    used = {token.name: token.last_used_at for token in ApiTokens(api.sql).list()}
    assert used["only-read"] is not None
    assert used["only-run"] is None


@pytest.mark.parametrize("uid", [0, os.geteuid()])
async def test_root_and_the_service_s_own_user_may_do_everything(api: ApiDesk, uid: int) -> None:
    told = (await api.ask("GET", "/service", uid=uid)).json()

    assert (told["scopes"], told["takes_folders"]) == (["admin", "read", "run", "write"], True)


async def test_other_users_of_the_socket_may_look_and_run_and_name_no_folder(api: ApiDesk) -> None:
    told = (await api.ask("GET", "/service", uid=4711)).json()

    assert (told["scopes"], told["takes_folders"]) == (["read", "run"], False)


@pytest.mark.parametrize("context", ["/srv/app", "file:///srv/app.git", "./app", "app"])
async def test_only_local_callers_name_what_is_on_this_machine(api: ApiDesk, context: str) -> None:
    over_tcp = await api.ask("POST", "/runs", Scope.RUN, json={**DOCKER, "context": context})
    of_the_group = await api.ask("POST", "/runs", uid=4711, json={**DOCKER, "context": context})

    assert (over_tcp.status_code, of_the_group.status_code) == (403, 403)
    assert "PUT /api/v1/contexts" in over_tcp.json()["hint"]


async def test_another_context_for_a_task_takes_the_scope_that_could_change_the_task(api: ApiDesk) -> None:
    """Its secrets would go where that context likes."""
    await api.ask("PUT", "/tasks/app", json=DOCKER)
    asked = {"task": "app", "context": f"{GIT}#other"}

    assert (await api.ask("POST", "/runs", Scope.RUN, json=asked)).status_code == 403
    assert (await api.ask("POST", "/runs", Scope.RUN, json={"task": "app"})).status_code == 201


async def test_a_body_is_bounded(api: ApiDesk) -> None:
    answer = await api.ask("POST", "/runs", content=b" " * (BODY_BYTES_MOST + 1))

    assert answer.status_code == 413
    assert str(BODY_BYTES_MOST) in answer.json()["error"]
