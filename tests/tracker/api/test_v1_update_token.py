"""The token of an update trigger by the API: kept with the task, by those who may change the task."""

from __future__ import annotations

import pytest

from rebuild.secrets.api_token import Scope
from rebuild.secrets.secret import Secret
from rebuild.secrets.update_token import kept_token
from tests.tracker.api.desk import DOCKER, ApiDesk

pytestmark = pytest.mark.anyio

TOKEN = "t0ken-of-the-deployer"


@pytest.fixture
async def saved(api: ApiDesk) -> ApiDesk:
    assert (await api.ask("PUT", "/tasks/app", json=DOCKER)).status_code in (200, 201)
    return api


def kept(api: ApiDesk) -> Secret | None:
    return kept_token(api.sql, api.desk.cipher, 1)


async def test_it_is_kept_until_another_run_brings_one(saved: ApiDesk) -> None:
    answer = await saved.ask("POST", "/runs", json={"task": "app", "update_trigger_token": TOKEN})
    await saved.ask("POST", "/runs", json={"task": "app"})

    assert kept(saved) == Secret(TOKEN)
    assert TOKEN not in answer.text
    assert TOKEN not in "\n".join(saved.sql.iterdump())


async def test_an_empty_one_takes_it_away(saved: ApiDesk) -> None:
    for token in (TOKEN, ""):
        await saved.ask("POST", "/runs", json={"task": "app", "update_trigger_token": token})

    assert kept(saved) is None


async def test_who_may_only_run_tasks_leaves_none(saved: ApiDesk) -> None:
    answer = await saved.ask("POST", "/runs", Scope.RUN, json={"task": "app", "update_trigger_token": TOKEN})

    assert answer.status_code == 403
    assert kept(saved) is None


async def test_a_task_tells_that_it_has_one_and_not_which(saved: ApiDesk) -> None:
    await saved.ask("POST", "/runs", json={"task": "app", "update_trigger_token": TOKEN})

    told = (await saved.ask("GET", "/tasks/app")).json()

    assert {"use": "update-trigger", "name": "", "source": "opaque"} in told["secrets"]
