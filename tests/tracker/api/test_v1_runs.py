"""Runs by the API: asked for, looked at, canceled, kept; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.clock import now
from graph.database import immediate
from rebuild.runs.definition import DockerStep, InlineStep
from rebuild.runs.owner import this_process
from rebuild.runs.recovery import recover
from rebuild.runs.table import Runs, Status
from rebuild.secrets.run_secrets import RunSecrets
from rebuild.secrets.secret_source import Opaque
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from tests.tracker.api.desk import DOCKER, GIT, ApiDesk

pytestmark = pytest.mark.anyio


async def test_a_run_is_queued_told_where_it_is_and_started_soon(api: ApiDesk) -> None:
    answer = await api.ask("POST", "/runs", json=DOCKER)

    told = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, "/api/v1/runs/a1")
    assert (told["run_id"], told["status"], told["cause"], told["task"]) == ("a1", "Queued", "quick", None)
    assert api.woken == [1]


async def test_what_is_not_said_is_usual(api: ApiDesk) -> None:
    run = Runs(api.sql).get(await api.run())

    assert run.definition.images[0].registry == "registry.example.com"
    assert (str(run.definition.platform), run.definition.timeout_s) == ("linux/amd64", 600.0)


async def test_what_is_said_counts(api: ApiDesk) -> None:
    step = {
        "kind": "docker",
        "images": ["localhost:5000/app:{{.Run.ID}}"],
        "dockerfile": "build/Dockerfile",
        "build_args": {"A": "1"},
        "target": "app",
        "push": False,
        "no_cache": True,
        "reproducible": True,
    }
    run = Runs(api.sql).get(await api.run(step=step, platform="linux/arm64", timeout_s=60))

    assert run.definition.step == DockerStep(
        ("localhost:5000/app:{{.Run.ID}}",), "build/Dockerfile", {"A": "1"}, "app", False, True, True
    )
    assert (str(run.definition.platform), run.definition.timeout_s) == ("linux/arm64", 60)


async def test_a_task_file_may_come_with_the_request(api: ApiDesk) -> None:
    step = {"kind": "inline", "text": "steps: []", "values": {"a": "1"}}
    run = Runs(api.sql).get(await api.run(context="/dev/null", step=step))

    assert run.definition.step == InlineStep("steps: []", "", {"a": "1"})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"context": GIT}, "step: Field required"),
        ({**DOCKER, "step": {"kind": "other"}}, "step: Input tag 'other'"),
        ({**DOCKER, "timeout_s": 0}, "timeout_s: "),
        ({**DOCKER, "step": {"kind": "docker", "imags": []}}, "step.docker.imags: "),
        ({"task": "app", "secrets": {"a": ["hidden"]}}, "secrets.a: "),
        ({"task": 5}, "task: "),
        ({"task": "app", "target": "a\0"}, "target: Value error, it has a NUL character"),
        ({"task": "app", "build_args": {"a\0": ""}}, "it has a NUL character"),
        ([], "definition: "),
    ],
)
async def test_a_field_that_is_not_valid_is_named(api: ApiDesk, body: object, field: str) -> None:
    answer = await api.ask("POST", "/runs", json=body)

    assert answer.status_code == 422
    assert field in answer.json()["error"]
    assert "hidden" not in answer.text
    assert api.woken == []


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"context": "-"}, 400, "the input of a command"),
        ({"context": "ftp://x/y"}, 400, "ftp:// is no kind of context"),
        ({"context": "relative/folder"}, 400, "relative to nothing here"),
        ({"context": "upload:" + "0" * 32}, 422, "no uploaded context"),
        ({"platform": "linux//"}, 400, "linux//"),
        ({"step": {"kind": "docker", "images": ["UPPER"]}}, 400, "UPPER"),
        ({"step": {"kind": "docker", "images": ["app@sha256:" + "0" * 64]}}, 400, "has a digest"),
        ({"context": "/no/such/folder"}, 400, "is not a folder"),
        ({"secrets": {"../x": "value"}}, 400, "secret name"),
    ],
)
async def test_what_cannot_be_is_refused_and_no_run_is_left(
    api: ApiDesk, change: dict[str, object], status: int, said: str
) -> None:
    answer = await api.ask("POST", "/runs", json={**DOCKER, **change})

    assert (answer.status_code, said in answer.json()["error"]) == (status, True)
    assert Runs(api.sql).queue().queued == 0


async def test_a_folder_of_this_machine_without_a_dockerfile_is_told_at_once(
    api: ApiDesk, tmp_path: Path
) -> None:
    answer = await api.ask("POST", "/runs", json={**DOCKER, "context": str(tmp_path)})

    assert (answer.status_code, Runs(api.sql).queue().queued) == (400, 0)
    assert f"there is no Dockerfile at {tmp_path}/Dockerfile" in answer.json()["error"]


async def test_secrets_of_a_run_are_sealed_and_gone_when_it_ends(api: ApiDesk) -> None:
    run_id = await api.run(secrets={"npm": "the value"})
    run = Runs(api.sql).get(run_id)
    kept = RunSecrets(api.sql, api.desk.cipher)

    (source,) = kept.sources(run.number, SecretUse.BUILD).values()
    rows = str(api.sql.execute("SELECT * FROM run_secrets").fetchall())
    api.start(run_id)
    api.finish(run_id, Status.FAILED)

    assert isinstance(source, Opaque)
    assert source.value.reveal() == "the value"
    assert "the value" not in rows
    assert kept.sources(run.number, SecretUse.BUILD) == {}


async def test_a_canceled_run_leaves_no_secret_either(api: ApiDesk) -> None:
    run_id = await api.run(secrets={"npm": "the value"})

    await api.ask("POST", f"/runs/{run_id}/cancel")

    assert api.sql.execute("SELECT count(*) FROM run_secrets").fetchone() == (0,)


async def test_a_run_that_lost_its_process_is_done_again_with_its_secrets(api: ApiDesk) -> None:
    run_id = await api.run(secrets={"npm": "the value"})
    api.start(run_id)

    with immediate(api.sql):
        recover(api.sql, now(), alive=lambda owner: False)

    again = Runs(api.sql).get(run_id)
    assert (again.status, again.attempt) == (Status.QUEUED, 2)
    assert list(RunSecrets(api.sql, api.desk.cipher).sources(again.number, SecretUse.BUILD)) == ["npm"]


async def test_a_run_of_a_task_takes_what_was_asked_for_this_once(api: ApiDesk) -> None:
    await api.ask("PUT", "/tasks/app", json=DOCKER)
    asked = {"task": "app", "build_args": {"A": "1"}, "target": "app", "timeout_s": 5}

    run_id = (await api.ask("POST", "/runs", json=asked)).json()["run_id"]

    run = Runs(api.sql).get(run_id)
    assert isinstance(run.definition.step, DockerStep)
    assert (run.cause, run.definition.step.build_args, run.definition.step.target) == (
        "manual",
        {"A": "1"},
        "app",
    )
    stored = (await api.ask("GET", "/tasks/app")).json()
    assert stored["definition"]["step"]["build_args"] == {}


async def test_a_run_of_a_task_refuses_what_the_task_has_no_use_for(api: ApiDesk) -> None:
    await api.ask("PUT", "/tasks/app", json=DOCKER)

    answer = await api.ask("POST", "/runs", json={"task": "app", "values": {"a": "1"}})

    assert (answer.status_code, "values: task app" in answer.json()["error"]) == (400, True)


async def test_runs_are_listed_by_task_and_status_newest_first(api: ApiDesk) -> None:
    await api.ask("PUT", "/tasks/app", json=DOCKER)
    quick = [await api.run(), await api.run()]
    await api.ask("POST", "/runs", json={"task": "app"})
    api.start(quick[0])

    async def ids(**query: str) -> list[str]:
        return [run["run_id"] for run in (await api.ask("GET", "/runs", params=query)).json()]

    assert await ids() == ["a3", "a2", "a1"]
    assert await ids(task="app") == ["a3"]
    assert await ids(status="Running") == ["a1"]
    assert await ids(top="1") == ["a3"]


@pytest.mark.parametrize("query", ["status=Done", "top=0", "top=many"])
async def test_a_query_that_is_not_valid_is_named(api: ApiDesk, query: str) -> None:
    answer = await api.ask("GET", f"/runs?{query}")

    assert (answer.status_code, answer.json()["error"].startswith(query.partition("=")[0])) == (422, True)


@pytest.mark.parametrize("path", ["/runs/zz", "/runs/zz/log", "/runs/zz/log/stream", "/tasks/zz", "/zz",
                                  "/images/zz/deps", "/runs?task=zz"])  # fmt: skip
async def test_what_is_not_there_is_404(api: ApiDesk, path: str) -> None:
    answer = await api.ask("GET", path)

    assert answer.status_code == 404
    assert answer.json()["error"]


async def test_a_queued_run_is_canceled_at_once_and_only_once(api: ApiDesk) -> None:
    run_id = await api.run()

    first = await api.ask("POST", f"/runs/{run_id}/cancel")
    second = await api.ask("POST", f"/runs/{run_id}/cancel")

    assert (first.status_code, first.json()["status"]) == (200, "Canceled")
    assert (second.status_code, "it was Canceled" in second.json()["error"]) == (409, True)


async def test_a_run_under_way_is_asked_to_stop(api: ApiDesk) -> None:
    run_id = await api.run()
    with immediate(api.sql):
        run = Runs(api.sql).claim(now(), this_process(), run_id=run_id)
    assert run is not None

    answer = await api.ask("POST", f"/runs/{run_id}/cancel")

    assert answer.json()["status"] == "Started"
    assert Runs(api.sql).is_unwanted(run)


async def test_a_run_is_archived_and_released(api: ApiDesk) -> None:
    run_id = await api.run()

    await api.ask("PATCH", f"/runs/{run_id}", json={"archived": True})
    kept = Runs(api.sql).archived()
    await api.ask("PATCH", f"/runs/{run_id}", json={"archived": False})

    assert (kept, Runs(api.sql).archived()) == ({run_id}, frozenset())


async def test_a_task_keeps_sources_as_sources_and_values_sealed(api: ApiDesk) -> None:
    body = {**DOCKER, "secrets": {"a": "the value"}, "secret_sources": {"b": "vault:kv/app#key"}}

    told = (await api.ask("PUT", "/tasks/app", json=body)).json()

    assert told["secrets"] == [
        {"use": "build", "name": "a", "source": "opaque"},
        {"use": "build", "name": "b", "source": "vault:kv/app#key"},
    ]
    assert TaskSecrets(api.sql, api.desk.cipher).list(1)[0].source == "opaque"
    assert "the value" not in json.dumps(told)


async def test_a_value_among_the_sources_is_refused_and_not_shown(api: ApiDesk) -> None:
    answer = await api.ask("PUT", "/tasks/app", json={**DOCKER, "secret_sources": {"b": "hidden"}})

    assert (answer.status_code, "hidden" in answer.text) == (400, False)


async def test_no_task_stands_on_an_upload(api: ApiDesk) -> None:
    answer = await api.ask("PUT", "/tasks/app", json={**DOCKER, "context": "upload:" + "0" * 32})

    assert (answer.status_code, "an upload is not" in answer.json()["error"]) == (400, True)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["context", "step", "platform", "timeout_s", "secrets", "task", "values", "file"])
STEPS = st.dictionaries(
    st.sampled_from(["kind", "images", "dockerfile", "build_args", "text", "file", "values", "push"]),
    JSON | st.sampled_from(["docker", "file", "inline"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(FIELDS, JSON | STEPS))
async def test_any_body_gets_an_answer_in_words(api: ApiDesk, body: dict[str, object]) -> None:
    answer = await api.ask("POST", "/runs", json=body)

    assert answer.status_code in (201, 400, 403, 404, 422)
    assert answer.status_code == 201 or answer.json()["error"]


async def test_a_task_that_is_saved_says_which_bases_are_not_known_yet(api: ApiDesk) -> None:
    told = (await api.ask("PUT", "/tasks/app", json=DOCKER)).json()

    assert told["triggers"] == "BASE_IMAGE"
    assert len(told["unknown"]) == 1


async def test_a_deleted_task_is_gone_and_its_runs_stay(api: ApiDesk) -> None:
    await api.ask("PUT", "/tasks/app", json=DOCKER)
    run_id = (await api.ask("POST", "/runs", json={"task": "app"})).json()["run_id"]

    deleted = await api.ask("DELETE", "/tasks/app")

    assert deleted.status_code == 204
    assert (await api.ask("GET", "/tasks/app")).status_code == 404
    assert (await api.ask("GET", f"/runs/{run_id}")).json()["status"] == "Canceled"


async def test_a_task_at_work_is_not_deleted(api: ApiDesk) -> None:
    await api.ask("PUT", "/tasks/app", json=DOCKER)
    run_id = (await api.ask("POST", "/runs", json={"task": "app"})).json()["run_id"]
    api.start(run_id)

    answer = await api.ask("DELETE", "/tasks/app")

    assert (answer.status_code, run_id in answer.json()["error"]) == (409, True)
