"""Saved tasks by the API: as a whole, by what changes, by declaration; all of it or nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from graph.database import immediate
from rebuild.runs.table import Cause, Runs
from rebuild.secrets.api_token import Scope
from rebuild.tasks.task import Tasks
from tests.tracker.api.desk import DOCKER, GIT, ApiDesk
from tests.tracker.api.test_v1_scans import expected, go_on, until
from tests.tracker.api.test_v1_scans import slow as slow

pytestmark = pytest.mark.anyio

DEFINITION = {"context": GIT, "images": ["app:1"]}
JSON = {"Content-Type": "application/json"}
TIMER = {"name": "night", "schedule": "0 4 * * *"}
DECLARED = "name: one\ncmd: busybox true\n---\nname: two\ncmd: busybox true\n"


async def shown(api: ApiDesk, name: str) -> Any:
    return (await api.ask("GET", "/views/task", params={"task": name})).json()["plain"]


async def create(api: ApiDesk, name: str = "app", **more: Any) -> None:
    answer = await api.ask("POST", "/tasks", json={"name": name, "definition": DEFINITION, **more})
    assert answer.status_code == 201, answer.text


def is_scanned() -> bool:
    return any(task.get_name() == "scan of task app" for task in asyncio.all_tasks())


def files(text: str, **more: Any) -> dict[str, Any]:
    return {"files": [{"name": "tasks.yaml", "text": text}], **more}


async def test_a_task_is_saved_with_triggers_timers_and_credentials(api: ApiDesk) -> None:
    body = {
        **DOCKER,
        "enabled": False,
        "base_image_trigger": {"bases": "Runtime"},
        "source_trigger": {"commits": True, "branches": ["main"]},
        "timers": [TIMER],
        "credentials": [{"registry": "localhost:5000", "password": "vault:a/b#c"}],
    }

    answer = await api.ask("PUT", "/tasks/app", json=body)

    task = await shown(api, "app")
    assert answer.status_code == 200, answer.text
    assert (task["status"], task["base_image_trigger"]["type"]) == ("Disabled", "Runtime")
    assert task["source_trigger"]["branches"] == ["main"]
    assert [timer["name"] for timer in task["timers"]] == ["night"]
    assert task["credentials"] == [
        {"registry": "localhost:5000", "username": None, "password": "vault:a/b#c"}
    ]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_credential_that_there_is_not_is_not_found(api: ApiDesk, method: str) -> None:
    await api.ask("PUT", "/tasks/app", json=DOCKER)
    more = {"json": {"password": "vault:a/b#c"}} if method == "PATCH" else {}

    answer = await api.ask(method, "/tasks/app/credentials/r.io", **more)

    assert (answer.status_code, answer.json()["hint"]) == (404, "it has these: none")


async def test_a_body_that_is_no_json_is_told_so(api: ApiDesk) -> None:
    answer = await api.ask(
        "PUT", "/tasks/app", content=b'{"a": ', headers={"content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["error"]) == (422, "the body is no JSON, from character 6 on")


async def test_a_task_that_is_saved_again_keeps_what_is_not_given(api: ApiDesk) -> None:
    await create(api, timers=[TIMER], enabled=False, secrets={"git": {"": "vault:a/b#c"}})

    await api.ask("PUT", "/tasks/app", json={**DOCKER, "timeout_s": 60})

    task = await shown(api, "app")
    assert (task["status"], task["timeout_s"], len(task["timers"])) == ("Disabled", 60.0, 1)
    assert task["source_trigger"]["commit"] is True
    assert [one["use"] for one in task["secrets"]] == ["git"]


async def test_only_what_is_given_changes(api: ApiDesk) -> None:
    await create(api, timers=[TIMER], source_trigger={"pull_requests": True})

    await api.ask("PATCH", "/tasks/app", json={"definition": {"timeout_s": 60, "platform": "arm64"}})

    task = await shown(api, "app")
    assert (task["timeout_s"], task["platform"]) == (60.0, "linux/arm64")
    assert task["context"] == GIT
    assert task["source_trigger"]["pull_request"] is True
    assert task["step"]["images"] == ["registry.example.com/app:1"]
    assert len(task["timers"]) == 1


async def test_two_changes_at_once_both_count(slow: ApiDesk) -> None:
    go_on(slow)
    await create(slow)
    slow.desk.archive.may.clear()  # type: ignore[attr-defined]

    first = asyncio.create_task(slow.ask("PATCH", "/tasks/app", json={"enabled": False}))
    second = asyncio.create_task(slow.ask("PATCH", "/tasks/app", json={"timers": [TIMER]}))
    answers = [await first, await second]

    task = await shown(slow, "app")
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (task["status"], len(task["timers"])) == ("Disabled", 1)


async def test_a_change_to_what_somebody_else_defines_meanwhile_is_refused(slow: ApiDesk) -> None:
    go_on(slow)
    await create(slow)
    slow.desk.archive.may.clear()  # type: ignore[attr-defined]

    first = asyncio.create_task(slow.ask("PATCH", "/tasks/app", json={"enabled": False}))
    await until(is_scanned)
    with immediate(slow.sql):
        definition = Tasks(slow.sql).named("app").definition
        text = definition.to_json().replace("600.0", "30.0")
        Tasks(slow.sql).save("app", type(definition).from_json(text), slow.desk.now())
    answer = await first

    assert answer.status_code == 409
    assert "was changed by somebody else meanwhile" in answer.json()["error"]
    assert (await shown(slow, "app"))["status"] == "Enabled"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"definition": {"nope": 1}}, "definition.nope"),
        ({"definition": {"images": "app"}}, "definition.images"),
        ({"definition": {"images": ["a"] * 1001}}, "images has more than 1000 entries"),
        ({"definition": {"target": "a\0b"}}, "target has a NUL character"),
        ({"definition": {"target": "\ud800"}}, "definition.target"),
        ({"definition": {"build_args": {"\ud800": "x"}}}, "definition.build_args."),
        ({"secrets": {"value": {"a": "\ud800"}}}, "secrets.value.a: "),
        ({"secrets": {"nothing": {}}}, "secrets.nothing"),
        ({"timers": [{"name": "a", "schedule": "x" * 5000}]}, "timers.0.schedule"),
        ({"remove": ["all"]}, "remove"),
        ({"\ud800": 1}, "Input should be a valid string"),
    ],
)
async def test_what_no_task_can_have_is_refused_with_its_field(
    api: ApiDesk, body: dict[str, Any], said: str
) -> None:
    await create(api)

    answer = await api.ask("PATCH", "/tasks/app", content=json.dumps(body), headers=JSON)

    assert answer.status_code == 422
    assert said in answer.json()["error"]


@pytest.mark.parametrize("field", ["git_access_token", "git_ssh_key", "context_query"])
async def test_half_a_surrogate_in_a_secret_is_refused_before_there_is_a_run(
    api: ApiDesk, field: str
) -> None:
    bodies = [{**DOCKER, field: "\ud800"}, {**DOCKER, "secrets": {"a": "\ud800"}}]

    answers = [await api.ask("POST", "/runs", content=json.dumps(body), headers=JSON) for body in bodies]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert f"{field}: Value error, it has half of a surrogate pair" in answers[0].json()["error"]
    assert (await api.ask("GET", "/runs")).json() == []


@pytest.mark.parametrize(
    "body",
    [
        {"definition": {"timeout_s": 0.1}},
        {"definition": {"values": {"a": "b"}}},
        {"timers": [TIMER, TIMER]},
        {"secrets": {"value": {"a/b": "x"}}},
        {"credentials": [{"registry": "no host", "password": "x"}]},
        {"base_image_trigger": {"endpoint": "no url"}},
    ],
)
async def test_what_breaks_a_rule_changes_nothing(api: ApiDesk, body: dict[str, Any]) -> None:
    await create(api, timers=[{"name": "one", "schedule": "0 1 * * *"}])
    before = await shown(api, "app")

    answer = await api.ask("PATCH", "/tasks/app", json=body)

    assert answer.status_code == 400, answer.text
    assert await shown(api, "app") == before


async def test_a_folder_is_refused_before_it_is_looked_at(api: ApiDesk, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    whole = {"name": "x", "text": f"name: one\ncontext: {tmp_path}/link\n"}
    relative = {"name": "x", "folder": str(tmp_path), "text": "name: one\ncontext: link\n"}

    for method, path, body in (
        ("POST", "/tasks", {"name": "a", "definition": {"context": f"{tmp_path}/link"}}),
        ("POST", "/apply", {"files": [whole]}),
        ("POST", "/apply", {"files": [relative]}),
    ):
        answer = await api.ask(method, path, Scope.WRITE, json=body)

        assert answer.status_code == 403
        assert "/etc" not in answer.text


async def test_declared_tasks_are_saved_all_of_them_or_none(api: ApiDesk) -> None:
    wrong = f"{DECLARED}---\nname: three\ncontext: /dev/null\n"

    refused = await api.ask("POST", "/apply", json=files(wrong))
    names = [task["name"] for task in (await api.ask("GET", "/tasks")).json()]
    done = await api.ask("POST", "/apply", json=files(DECLARED))

    assert (refused.status_code, names) == (400, [])
    assert "tasks.yaml:8" in refused.json()["error"]
    assert [(one["name"], one["action"]) for one in done.json()["differences"]] == [
        ("one", "create"),
        ("two", "create"),
    ]
    assert [task["name"] for task in (await api.ask("GET", "/tasks")).json()] == ["one", "two"]


async def test_a_pruned_task_that_is_carried_out_keeps_all_as_it_was(api: ApiDesk) -> None:
    await create(api, "old")
    with immediate(api.sql):
        old = Tasks(api.sql).named("old")
        run = Runs(api.sql).add(old.definition, Cause.MANUAL, api.desk.now(), task_id=old.task_id)
    api.start(run.run_id)

    answer = await api.ask("POST", "/apply", json=files(DECLARED, prune=True))

    assert answer.status_code == 409
    assert f"run {run.run_id}" in answer.json()["error"]
    assert [task["name"] for task in (await api.ask("GET", "/tasks")).json()] == ["old"]


async def test_a_dry_run_of_a_declaration_changes_nothing(api: ApiDesk) -> None:
    answer = await api.ask("POST", "/apply", json=files(DECLARED, dry_run=True))

    assert len(answer.json()["differences"]) == 2
    assert (await api.ask("GET", "/tasks")).json() == []


async def test_declared_tasks_whose_files_are_slow_are_saved_and_read_behind(slow: ApiDesk) -> None:
    answer = await slow.ask("POST", "/apply", json=files(DECLARED))

    tasks = (await slow.ask("GET", "/tasks")).json()
    assert answer.json()["unknown"] == {
        name: ["its files are still being fetched"] for name in ("one", "two")
    }
    assert [task["being_scanned"] for task in tasks] == [True, True]
    go_on(slow)
    await until(lambda: expected(slow, "one") and expected(slow, "two"))


async def test_a_token_ends_when_it_was_said(api: ApiDesk) -> None:
    for wrong in ({"expires_s": 0}, {"expires_s": 1e300}, {"scopes": []}):
        answer = await api.ask("POST", "/tokens", json={"name": "ci", "scopes": ["read"], **wrong})
        assert answer.status_code in (400, 422), answer.text

    made = await api.ask("POST", "/tokens", json={"name": "ci", "scopes": ["read"], "expires_s": 3600})

    assert made.status_code == 201
    assert made.json()["token"]["expires_at"] > made.json()["token"]["created_at"]
