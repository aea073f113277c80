"""Having the registries asked over the API: line by line, whole or said not to be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from graph.clock import now
from graph.errors import StoreBusy
from graph.observing import Watched
from tests.graph_samples import Sample, index_of
from tests.tracker.api.desk import ApiDesk
from tracker.api.v1 import checks
from tracker.api.v1.app import build_api
from tracker.watching.watch import Answer

pytestmark = pytest.mark.anyio


@pytest.fixture
def watching(api: ApiDesk) -> ApiDesk:
    """One image on debian:12, which was observed a while ago."""
    sample = Sample(api.desk.state, api.sql)
    sample.observe("debian:12", index_of(amd64="debian"), hours=5)
    sample.build("app:1", "debian:12", hours=4)
    return api


def answered_by(api: ApiDesk, ask: Callable[[Sequence[Watched]], AsyncGenerator[list[Answer], None]]) -> None:
    api.app = build_api(replace(api.desk, ask_now=ask))


async def check(api: ApiDesk, *references: str) -> list[dict[str, Any]]:
    answer = await api.ask("POST", "/checks", json={"references": references})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines() if line]


async def test_every_watched_reference_is_asked_about_and_counted(watching: ApiDesk) -> None:
    told = await check(watching)

    row, end = told
    assert (row["reference"], row["result"]) == ("docker.io/library/debian:12", "unchanged")
    assert end == {"asked": 1}


async def test_a_short_name_is_enough_where_one_reference_ends_so(watching: ApiDesk) -> None:
    sample = Sample(watching.desk.state, watching.sql)
    sample.observe("registry.example.com/team/runtime:3", index_of(amd64="runtime"), hours=3)
    sample.build("app:2", "registry.example.com/team/runtime:3", hours=2)

    told = await check(watching, "runtime:3")

    assert [row["reference"] for row in told[:-1]] == ["registry.example.com/team/runtime:3"]


async def test_what_is_not_watched_is_refused_before_anything_is_asked(watching: ApiDesk) -> None:
    answer = await watching.ask("POST", "/checks", json={"references": ["docker.io/library/alpine:3"]})

    assert answer.status_code == 400
    assert "nothing that was recorded stands on alpine:3" in answer.json()["error"]


async def test_a_fault_in_the_middle_is_told_in_a_line_and_nothing_is_counted(watching: ApiDesk) -> None:
    async def ask(references: Sequence[Watched]) -> AsyncGenerator[list[Answer], None]:
        yield [Answer(references[0], now())]
        raise StoreBusy("the database is busy", hint="wait")

    answered_by(watching, ask)

    told = await check(watching)

    assert [sorted(line) for line in told[1:]] == [["error", "hint"]]


async def test_a_registry_that_is_slow_is_waited_for_with_signs_of_life(
    watching: ApiDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(checks, "HEARTBEAT_S", 0.01)

    async def ask(references: Sequence[Watched]) -> AsyncGenerator[list[Answer], None]:
        await asyncio.sleep(0.1)
        yield [Answer(references[0], now())]

    answered_by(watching, ask)

    answer = await watching.ask("POST", "/checks", json={})

    lines = answer.text.split("\n")
    assert lines[0] == ""
    assert json.loads(lines[-2]) == {"asked": 1}


async def test_a_service_that_stops_says_so_instead_of_counting(watching: ApiDesk) -> None:
    watching.app = build_api(replace(watching.desk, is_stopping=lambda: True))

    assert await check(watching) == [{"error": "the service stops", "hint": "ask again when it is back"}]


async def test_only_so_many_ask_at_once(watching: ApiDesk) -> None:
    go_on = asyncio.Event()

    async def ask(references: Sequence[Watched]) -> AsyncGenerator[list[Answer], None]:
        await go_on.wait()
        yield [Answer(references[0], now())]

    answered_by(watching, ask)
    asking = [asyncio.create_task(check(watching)) for _ in range(checks.AT_ONCE_MOST)]
    await asyncio.sleep(0.1)

    refused = await watching.ask("POST", "/checks", json={})
    go_on.set()
    answers = await asyncio.gather(*asking)

    assert refused.status_code == 429
    assert [told[-1] for told in answers] == [{"asked": 1}] * checks.AT_ONCE_MOST
    assert (await check(watching))[-1] == {"asked": 1}
