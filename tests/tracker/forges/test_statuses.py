"""What each forge is told of a commit, in its own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from tests.fake_forges import COMMIT, TOKEN, FakeForge, fake_forge
from tracker.forges.client import ForgeClient
from tracker.forges.fault import ForgeRefused
from tracker.forges.kind import ForgeKind
from tracker.forges.statuses import DESCRIPTION_MOST, CommitStatus, State, status_request

pytestmark = pytest.mark.anyio

LOGIN = Login("x-access-token", Secret(TOKEN))
LINK = "https://tracker.test/api/v1/runs/a1/log"
KINDS = [kind for kind in ForgeKind if kind is not ForgeKind.NONE]


@pytest.fixture(params=KINDS)
def forge(request: pytest.FixtureRequest) -> Iterator[FakeForge]:
    with fake_forge(request.param) as running:
        yield running


def status(state: State, *, link: str | None = LINK, description: str = "run a1") -> CommitStatus:
    return CommitStatus(COMMIT, state, "tracker/web", description, link, "main")


async def tell(client: ForgeClient, forge: FakeForge, told: CommitStatus, login: Login = LOGIN) -> Any:
    at = forge.address
    return await client.ask(at.kind, at.host, status_request(at, told), login)


WORDS = {
    ForgeKind.GITHUB: "pending pending success failure error error",
    ForgeKind.GITEA: "pending pending success failure error error",
    ForgeKind.GITLAB: "pending running success failed failed canceled",
    ForgeKind.BITBUCKET: "INPROGRESS INPROGRESS SUCCESSFUL FAILED FAILED STOPPED",
    ForgeKind.BITBUCKET_SERVER: "INPROGRESS INPROGRESS SUCCESSFUL FAILED FAILED CANCELLED",
    ForgeKind.AZURE: "pending pending succeeded failed error notApplicable",
}


async def test_each_state_has_the_word_of_the_forge(client: ForgeClient, forge: FakeForge) -> None:
    for state, word in zip(State, WORDS[forge.kind].split(), strict=True):
        forge.statuses.clear()

        await tell(client, forge, status(state))

        assert forge.states == [word]
        assert forge.statuses[0][0] == COMMIT


async def test_the_log_is_linked_under_the_name_of_the_task(client: ForgeClient, forge: FakeForge) -> None:
    await tell(client, forge, status(State.SUCCESS))

    told = forge.statuses[0][1]
    assert LINK in told.values()
    named = [told.get("context"), told.get("name"), told.get("key")]
    assert "tracker/web" in named or {"genre": "tracker", "name": "web"} in named


async def test_without_a_public_url_there_is_no_link_of_ours(client: ForgeClient, forge: FakeForge) -> None:
    await tell(client, forge, status(State.PENDING, link=None))

    links = [forge.statuses[0][1].get(key) for key in ("url", "target_url", "targetUrl")]
    assert [link for link in links if link and "tracker.test" in link] == []


async def test_a_long_description_is_cut(client: ForgeClient, forge: FakeForge) -> None:
    await tell(client, forge, status(State.FAILURE, description="x" * 500))

    assert len(forge.statuses[0][1]["description"]) == DESCRIPTION_MOST


async def test_a_token_without_the_scope_is_told_which_one_it_lacks(
    client: ForgeClient, forge: FakeForge
) -> None:
    forge.tokens[TOKEN] = frozenset()

    with pytest.raises(ForgeRefused) as told:
        await tell(client, forge, status(State.PENDING))

    assert told.value.hint and told.value.hint.startswith("the token needs the ")
    assert TOKEN not in told.value.message + told.value.hint


async def test_a_user_with_a_password_is_somebody_too(client: ForgeClient, forge: FakeForge) -> None:
    await tell(client, forge, status(State.PENDING), Login("builder", Secret(TOKEN)))

    assert len(forge.statuses) == 1
