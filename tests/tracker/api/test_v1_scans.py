"""Saving tasks whose files are slow to come: the caller is answered, and the bases come later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field, replace
from typing import Any

import pytest

from graph.expecting import Expectations, ExpectedBase
from graph.model import Role, Via
from graph.record import dataclass
from graph.reference import ImageRef
from rebuild.tasks.stored_task import Secrets, WholeTask
from rebuild.tasks.task import Tasks
from rebuild.tasks.task_scan import Scanned
from tests.tracker.api.desk import DOCKER, ApiDesk
from tracker.api.v1 import tasks as task_routes
from tracker.api.v1.app import build_api
from tracker.tasks.saving import Archive

pytestmark = pytest.mark.anyio

DEBIAN = ExpectedBase(ImageRef.parse("debian:12"), Role.RUNTIME, Via.FROM, "", 1)


@dataclass(frozen=True, slots=True)
class Slow(Archive):
    """Finds debian once it may."""

    may: asyncio.Event = field(default_factory=asyncio.Event)

    async def scan(self, wanted: WholeTask, secrets: Secrets) -> Scanned:
        await self.may.wait()
        return Scanned((DEBIAN,))


@pytest.fixture
def slow(api: ApiDesk, monkeypatch: pytest.MonkeyPatch) -> ApiDesk:
    monkeypatch.setattr(task_routes, "WAIT_S", 0.05)
    old = api.desk.archive
    archive = Slow(old.connection, old.cipher, old.places, old.scratch, old.registry)
    api.desk = replace(api.desk, archive=archive)
    api.app = build_api(api.desk)
    return api


def go_on(api: ApiDesk) -> None:
    assert isinstance(api.desk.archive, Slow)
    api.desk.archive.may.set()


def expected(api: ApiDesk, name: str) -> list[ExpectedBase]:
    return Expectations(api.sql).of_task(Tasks(api.sql).named(name).task_id)


async def until(condition: Callable[[], Any]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def test_who_saves_is_answered_and_the_bases_are_watched_later(slow: ApiDesk) -> None:
    answer = (await slow.ask("PUT", "/tasks/app", json=DOCKER)).json()
    meanwhile = (await slow.ask("GET", "/tasks/app")).json()
    go_on(slow)
    await until(lambda: expected(slow, "app"))

    assert (answer["unknown"], answer["being_scanned"]) == (["its files are still being fetched"], True)
    assert meanwhile["being_scanned"] is True
    assert expected(slow, "app") == [DEBIAN]
    await asyncio.sleep(0)
    assert (await slow.ask("GET", "/tasks/app")).json()["being_scanned"] is False


async def test_a_task_that_is_deleted_meanwhile_stays_deleted(slow: ApiDesk) -> None:
    await slow.ask("PUT", "/tasks/app", json=DOCKER)
    await slow.ask("DELETE", "/tasks/app")
    go_on(slow)
    await until(lambda: not [task for task in asyncio.all_tasks() if "scan of" in task.get_name()])

    assert slow.sql.execute("SELECT count(*) FROM expected_bases").fetchone() == (0,)


async def test_a_task_that_becomes_another_meanwhile_is_scanned_as_that(slow: ApiDesk) -> None:
    await slow.ask("PUT", "/tasks/app", json=DOCKER)
    go_on(slow)
    other = {**DOCKER, "timeout_s": 5}
    answer = (await slow.ask("PUT", "/tasks/app", json=other)).json()

    assert answer["unknown"] == []
    assert expected(slow, "app") == [DEBIAN]


async def test_only_so_many_are_read_behind(slow: ApiDesk) -> None:
    answers = [(await slow.ask("PUT", f"/tasks/t{number}", json=DOCKER)).json() for number in range(9)]
    go_on(slow)

    assert [answer["being_scanned"] for answer in answers] == [True] * 8 + [False]
    assert "those of many others" in answers[8]["unknown"][0]
