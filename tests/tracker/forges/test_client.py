"""Requests to forges: what their answers mean, and what never leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from tests.fake_forges import TOKEN, FakeForge, fake_forge
from tests.real_registry import free_port
from tracker.forges.client import ANSWER_BYTES_MOST, WAIT_MOST_S, ForgeClient, Request, authorization
from tracker.forges.fault import ForgeRefused, ForgeUnavailable
from tracker.forges.kind import ForgeKind

pytestmark = pytest.mark.anyio

NOON_S = 1_800_000_000.0
LOGIN = Login("x-access-token", Secret(TOKEN))


@pytest.fixture
def forge() -> Iterator[FakeForge]:
    with fake_forge(ForgeKind.GITHUB) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[ForgeClient]:
    async with ForgeClient(epoch=lambda: NOON_S, timeout_s=5.0) as made:
        yield made


def asked(forge: FakeForge, path: str = "/repos/team/shop/hooks") -> Request:
    return Request("GET", f"{forge.api}{path}", "the scope admin:repo_hook")


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, {"Retry-After": "17"}, 17.0),
        (403, {"Retry-After": "60"}, 60.0),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOON_S) + 90)}, 90.0),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": str(int(NOON_S) + 30)}, 30.0),
        (429, {"Retry-After": format_datetime(datetime.fromtimestamp(NOON_S + 40, UTC), usegmt=True)}, 40.0),
        (429, {}, 60.0),
        (429, {"Retry-After": "soon"}, 60.0),
        (429, {"Retry-After": "9" * 30}, WAIT_MOST_S),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0"}, 1.0),
        (503, {"Retry-After": "5"}, 5.0),
        (502, {}, None),
    ],
)
async def test_a_forge_that_wants_to_be_left_alone_is_left_alone_for_so_long(
    client: ForgeClient, forge: FakeForge, status: int, headers: dict[str, str], wait_s: float | None
) -> None:
    forge.faults.append((status, headers))

    with pytest.raises(ForgeUnavailable) as told:
        await client.ask(forge.kind, "forge", asked(forge), LOGIN)

    assert told.value.retry_after_s == wait_s


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_is_not_granted_is_told_with_the_scope(
    client: ForgeClient, forge: FakeForge, status: int
) -> None:
    forge.faults.append((status, {}))

    with pytest.raises(ForgeRefused) as told:
        await client.ask(forge.kind, "forge", asked(forge), LOGIN)

    assert told.value.hint == "the token needs the scope admin:repo_hook"


async def test_who_has_no_token_is_told_how_to_give_one(client: ForgeClient, forge: FakeForge) -> None:
    forge.faults.append((404, {}))

    with pytest.raises(ForgeRefused) as told:
        await client.ask(forge.kind, "forge", asked(forge), None)

    assert told.value.hint and "--git-access-token" in told.value.hint


async def test_no_redirect_is_followed(client: ForgeClient, forge: FakeForge) -> None:
    with fake_forge(ForgeKind.GITHUB) as elsewhere:
        forge.faults.append((307, {"Location": f"{elsewhere.api}/repos/team/shop/hooks"}))

        with pytest.raises(ForgeRefused):
            await client.ask(forge.kind, "forge", asked(forge), LOGIN)

        assert elsewhere.authorizations == []


async def test_an_endless_answer_is_cut_off(client: ForgeClient, forge: FakeForge) -> None:
    forge.body = b"[" + b" " * ANSWER_BYTES_MOST + b"]"

    with pytest.raises(ForgeRefused, match="more than"):
        await client.ask(forge.kind, "forge", asked(forge), LOGIN)


async def test_the_page_to_sign_in_is_no_answer(client: ForgeClient, forge: FakeForge) -> None:
    forge.body = b"<html>Sign in</html>"

    with pytest.raises(ForgeRefused, match="not JSON"):
        await client.ask(forge.kind, "forge", asked(forge), LOGIN)


@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_that_nests_without_end_is_told_as_none(
    client: ForgeClient, forge: FakeForge, status: int
) -> None:
    forge.body = b'{"message":' + b"[" * 200_000
    forge.faults += [] if status == 200 else [(status, {})]

    with pytest.raises(ForgeRefused if status == 200 else ForgeUnavailable, match="answered"):
        await client.ask(forge.kind, "forge", asked(forge), LOGIN)


async def test_an_answer_that_is_packed_wrongly_is_worth_another_try(
    client: ForgeClient, forge: FakeForge
) -> None:
    forge.faults.append((200, {"Content-Encoding": "gzip"}))
    forge.body = b"no gzip"

    with pytest.raises(ForgeUnavailable, match="DecodingError"):
        await client.ask(forge.kind, "forge", asked(forge), LOGIN)


async def test_what_a_forge_says_is_told_without_the_token(client: ForgeClient, forge: FakeForge) -> None:
    forge.faults.append((422, {}))
    forge.body = f'{{"message": "bad {TOKEN}"}}'.encode()

    with pytest.raises(ForgeRefused) as told:
        await client.ask(forge.kind, "forge", asked(forge), LOGIN)

    assert "bad ***" in told.value.message


async def test_nobody_there_is_worth_another_try(client: ForgeClient) -> None:
    nobody = Request("GET", f"http://127.0.0.1:{free_port()}/", "nothing")

    with pytest.raises(ForgeUnavailable, match="forge: no answer"):
        await client.ask(ForgeKind.GITHUB, "forge", nobody, LOGIN)


async def test_a_token_is_not_sent_in_the_clear(client: ForgeClient) -> None:
    far = Request("GET", "http://forge.example.com/", "nothing")

    with pytest.raises(ForgeRefused, match="in the clear"):
        await client.ask(ForgeKind.GITHUB, "forge.example.com", far, LOGIN)


@pytest.mark.parametrize(
    ("kind", "user", "header"),
    [
        (ForgeKind.GITHUB, "x-access-token", "Bearer t"),
        (ForgeKind.GITHUB, "ann", "Basic YW5uOnQ="),
        (ForgeKind.GITLAB, "oauth2", "Bearer t"),
        (ForgeKind.GITLAB, "ann", "Bearer t"),
        (ForgeKind.GITEA, "x-access-token", "token t"),
        (ForgeKind.GITEA, "ann", "Basic YW5uOnQ="),
        (ForgeKind.BITBUCKET, "x-token-auth", "Bearer t"),
        (ForgeKind.AZURE, "x-access-token", "Basic OnQ="),
    ],
)
def test_each_forge_knows_a_token_by_its_own_header(kind: ForgeKind, user: str, header: str) -> None:
    assert authorization(kind, Login(user, Secret("t"))) == header
