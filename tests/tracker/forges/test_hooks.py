"""Webhooks at the forges that let a token make them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from tests.fake_forges import TOKEN, FakeForge, fake_forge
from tracker.forges.client import ForgeClient
from tracker.forges.fault import ForgeRefused
from tracker.forges.hooks import Wanted, can_register, register, unregister
from tracker.forges.kind import ForgeKind

pytestmark = pytest.mark.anyio

LOGIN = Login("x-access-token", Secret(TOKEN))
URL = "https://tracker.test/hooks/forge"
WANTED = Wanted(URL, Secret("signed with this"))
KINDS = [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA]


@pytest.fixture(params=KINDS)
def forge(request: pytest.FixtureRequest) -> Iterator[FakeForge]:
    with fake_forge(request.param) as running:
        yield running


def someone_elses(forge: FakeForge, count: int) -> None:
    for number in range(1, count + 1):
        url = f"https://elsewhere.test/{number}"
        forge.hooks[number] = {"url": url} if forge.kind is ForgeKind.GITLAB else {"config": {"url": url}}


async def test_a_webhook_is_made_once_with_the_secret(client: ForgeClient, forge: FakeForge) -> None:
    is_new = await register(client, forge.address, LOGIN, WANTED)

    assert is_new
    (made,) = forge.hooks.values()
    assert "signed with this" in (made.get("token"), made.get("config", {}).get("secret"))
    assert URL in (made.get("url"), made.get("config", {}).get("url"))
    wants_pulls = "pull_request" in made.get("events", ()) or made.get("merge_requests_events")
    assert wants_pulls


async def test_registering_again_updates_the_same_webhook(client: ForgeClient, forge: FakeForge) -> None:
    await register(client, forge.address, LOGIN, WANTED)

    is_new = await register(client, forge.address, LOGIN, Wanted(URL, Secret("another")))

    assert not is_new
    (made,) = forge.hooks.values()
    assert "another" in (made.get("token"), made.get("config", {}).get("secret"))


async def test_a_webhook_is_found_behind_many_of_others(client: ForgeClient, forge: FakeForge) -> None:
    someone_elses(forge, 120)
    await register(client, forge.address, LOGIN, WANTED)

    is_new = await register(client, forge.address, LOGIN, WANTED)

    assert (is_new, len(forge.hooks)) == (False, 121)


async def test_what_was_made_twice_by_hand_is_one_afterwards(client: ForgeClient, forge: FakeForge) -> None:
    await register(client, forge.address, LOGIN, WANTED)
    forge.hooks[7] = dict(forge.hooks[1])

    await register(client, forge.address, LOGIN, WANTED)

    assert set(forge.hooks) == {1}


async def test_only_ours_is_removed(client: ForgeClient, forge: FakeForge) -> None:
    someone_elses(forge, 2)
    await register(client, forge.address, LOGIN, WANTED)

    removed = await unregister(client, forge.address, LOGIN, URL)

    assert (removed, set(forge.hooks)) == (1, {1, 2})


SCOPES = {ForgeKind.GITHUB: "admin:repo_hook", ForgeKind.GITLAB: "Maintainer", ForgeKind.GITEA: "write:rep"}


async def test_a_token_that_may_not_is_told_which_scope_it_lacks(
    client: ForgeClient, forge: FakeForge
) -> None:
    forge.tokens[TOKEN] = frozenset({"status"})

    with pytest.raises(ForgeRefused) as told:
        await register(client, forge.address, LOGIN, WANTED)

    assert told.value.hint and SCOPES[forge.kind] in told.value.hint


def test_the_other_forges_have_no_way_of_ours() -> None:
    assert [kind for kind in ForgeKind if can_register(kind)] == KINDS
