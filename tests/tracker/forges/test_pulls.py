"""What forges say of pull requests, and what is no answer to where one leads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fake_forges import FakeForge, fake_forge
from tracker.forges.client import ForgeClient
from tracker.forges.fault import ForgeRefused
from tracker.forges.kind import ForgeKind
from tracker.forges.pulls import pull_request

pytestmark = pytest.mark.anyio

OPEN = {"state": "open", "head": {"ref": "f", "repo": {"id": 1}}, "base": {"ref": "main", "repo": {"id": 1}}}
MERGE = {
    "state": "opened",
    "source_branch": "f",
    "target_branch": "main",
    "source_project_id": 1,
    "target_project_id": 1,
}


async def told(forge: FakeForge, answer: Any) -> tuple[str, str, bool] | None:
    """What becomes of an answer: head, base, and whether it is of a fork."""
    forge.body = json.dumps(answer).encode()
    forge.faults.append((200, {}))
    async with ForgeClient() as client:
        pull = await pull_request(client, forge.address, None, 7, "refs/pull/7/head")
    return (pull.head, pull.base, pull.from_fork) if pull else None


@pytest.mark.parametrize(
    ("answer", "pull"),
    [
        (OPEN, ("f", "main", False)),
        ({**OPEN, "head": {"ref": "f", "repo": {"id": 2}}}, ("f", "main", True)),
        ({**OPEN, "head": {"ref": "f", "repo": None}}, ("f", "main", True)),
        ({**OPEN, "state": "closed"}, None),
    ],
    ids=str,
)
async def test_a_pull_request_leads_somewhere_while_it_is_open(
    answer: Any, pull: tuple[str, str, bool] | None
) -> None:
    with fake_forge(ForgeKind.GITHUB) as forge:
        assert await told(forge, answer) == pull


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        "open",
        {**OPEN, "head": "f"},
        {**OPEN, "head": {"ref": 7, "repo": {"id": 1}}},
        {**OPEN, "head": {"ref": "\ud800", "repo": {"id": 1}}},
        {**OPEN, "base": {"ref": "--force", "repo": {"id": 1}}},
        {**OPEN, "base": None},
    ],
    ids=str,
)
async def test_an_answer_that_does_not_say_where_is_refused(answer: Any) -> None:
    with fake_forge(ForgeKind.GITHUB) as forge, pytest.raises(ForgeRefused, match="something else"):
        await told(forge, answer)


@pytest.mark.parametrize("change", [{"source_branch": None}, {"target_branch": "a..b"}], ids=str)
async def test_gitlab_may_say_nonsense_as_well(change: dict[str, Any]) -> None:
    with fake_forge(ForgeKind.GITLAB) as forge:
        assert await told(forge, MERGE) == ("f", "main", False)
        with pytest.raises(ForgeRefused, match="something else"):
            await told(forge, {**MERGE, **change})
