"""What opens a context comes in by fields or in its URL, and is in no answer, whatever is asked."""

from __future__ import annotations

import json

import pytest

from rebuild.runs.table import Runs
from rebuild.secrets.run_secrets import RunSecrets
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import Opaque
from rebuild.secrets.task_secrets import SecretUse
from rebuild.tasks.task import Tasks
from tests.tracker.api.desk import DOCKER, ApiDesk

pytestmark = pytest.mark.anyio

PRIVATE = "http://user:s3cret@127.0.0.1:1/app.git"
SIGNED = "http://127.0.0.1:1/x.tar?sig=s3cret"


def kept(api: ApiDesk, run_id: str, use: SecretUse) -> object:
    return RunSecrets(api.sql, api.desk.cipher).sources(Runs(api.sql).get(run_id).number, use).get("")


async def test_a_login_in_the_url_is_a_secret_of_the_run(api: ApiDesk) -> None:
    run_id = await api.run(context=PRIVATE)

    assert Runs(api.sql).get(run_id).definition.context == "http://127.0.0.1:1/app.git"
    assert kept(api, run_id, SecretUse.GIT) == Opaque(Secret("user:s3cret"))


async def test_fields_go_before_the_url(api: ApiDesk) -> None:
    run_id = await api.run(context=SIGNED, context_query="sig=other", git_access_token="t0ken")

    assert kept(api, run_id, SecretUse.QUERY) == Opaque(Secret("sig=other"))
    assert kept(api, run_id, SecretUse.GIT) == Opaque(Secret("t0ken"))


@pytest.mark.parametrize("context", ["http://u:s3cret@example.com/r.git", f"{SIGNED}#main", 7])
async def test_a_refusal_shows_nothing_of_it(context: object, api: ApiDesk) -> None:
    answer = await api.ask("POST", "/runs", json={**DOCKER, "context": context, "git_access_token": "s3cret"})

    assert answer.status_code in (400, 422)
    assert "s3cret" not in answer.text


async def test_a_task_keeps_it_apart_and_shows_where_it_was(api: ApiDesk) -> None:
    answer = await api.ask(
        "PUT", "/tasks/web", json={**DOCKER, "context": SIGNED, "git_access_token": "s3cret"}
    )
    told = answer.json()

    assert "s3cret" not in json.dumps(told)
    assert told["definition"]["context"] == "http://127.0.0.1:1/x.tar?***"
    assert {secret["use"] for secret in told["secrets"]} == {"git", "query"}


async def test_a_task_that_is_put_back_as_it_was_shown_keeps_its_query(api: ApiDesk) -> None:
    await api.ask("PUT", "/tasks/web", json={**DOCKER, "context": SIGNED})
    shown = (await api.ask("GET", "/tasks/web")).json()["definition"]["context"]

    answer = await api.ask("PUT", "/tasks/web", json={**DOCKER, "context": shown})

    assert [secret["use"] for secret in answer.json()["secrets"]] == ["query"]
    assert Tasks(api.sql).named("web").definition.context == shown
