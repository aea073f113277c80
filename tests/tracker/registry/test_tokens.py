"""Which token requests are made, for whom, and how long their tokens serve."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.images.registry import RegistryRefused, RegistryUnavailable
from rebuild.secrets.secret import Secret
from tests.tracker.registry.fake_clock import FakeClock
from tracker.registry import IdentityToken, Login
from tracker.registry.token_server import Grant, read_grant, token_request
from tracker.registry.tokens import QUERY_MOST, REPOSITORIES_MOST, Tokens, in_batches
from tracker.registry.wire import Answer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REALM = httpx.URL("https://auth.example.com/token?account=me")


class Server:
    """Grants what it is asked for, unless `grant` says otherwise; remembers the requests."""

    def __init__(self, grant: Callable[[tuple[str, ...]], frozenset[str] | None] = frozenset) -> None:
        self.grant = grant
        self.asked: list[tuple[str, ...]] = []
        self.life_s = 300.0

    async def fetch(self, repositories: tuple[str, ...]) -> Grant:
        self.asked.append(repositories)
        await asyncio.sleep(0)
        return Grant(Secret(f"token-{len(self.asked)}"), self.life_s, self.grant(repositories))


@pytest.mark.anyio
async def test_a_token_serves_until_shortly_before_its_end() -> None:
    server, time = Server(), FakeClock()
    tokens = Tokens(server.fetch, time.clock())

    served = []
    for passed_s in (0, 290, 296):
        time.passed_s = passed_s
        served.append((await tokens.get("app")).reveal())

    assert served == ["token-1", "token-1", "token-2"]


@pytest.mark.anyio
async def test_only_members_without_a_token_are_asked_for_again() -> None:
    server = Server()
    tokens = Tokens(server.fetch, FakeClock().clock())
    tokens.prepare(["a", "b"])
    await tokens.get("a")
    tokens.prepare(["a", "b", "c", "d"])

    await tokens.get("d")

    assert server.asked == [("a", "b"), ("c", "d")]


@pytest.mark.anyio
async def test_an_unreadable_token_is_taken_to_serve_all() -> None:
    server = Server(grant=lambda _: None)
    tokens = Tokens(server.fetch, FakeClock().clock())
    tokens.prepare(["a", "b"])

    assert await tokens.get("a") == await tokens.get("b")
    assert server.asked == [("a", "b")]


@pytest.mark.anyio
async def test_a_shared_token_that_did_not_serve_one_is_kept_for_the_others() -> None:
    server = Server(grant=lambda _: None)
    tokens = Tokens(server.fetch, FakeClock().clock())
    tokens.prepare(["a", "b"])

    tokens.reject("a", await tokens.get("a"), "")

    assert (await tokens.get("a")).reveal() == "token-2"
    assert (await tokens.get("b")).reveal() == "token-1"
    assert server.asked == [("a", "b"), ("a",)]


@pytest.mark.anyio
async def test_an_invalid_shared_token_is_replaced_for_all_by_one_request() -> None:
    server = Server()
    tokens = Tokens(server.fetch, FakeClock().clock())
    tokens.prepare(["a", "b"])
    invalid = await tokens.get("a")

    tokens.reject("a", invalid, "invalid_token")
    tokens.reject("b", invalid, "invalid_token")
    renewed = await asyncio.gather(tokens.get("a"), tokens.get("b"))

    assert [token.reveal() for token in renewed] == ["token-2", "token-2"]


@pytest.mark.anyio
async def test_a_late_rejection_does_not_throw_away_the_new_token() -> None:
    server = Server()
    tokens = Tokens(server.fetch, FakeClock().clock())
    old = await tokens.get("a")
    tokens.reject("a", old, "invalid_token")
    new = await tokens.get("a")

    tokens.reject("a", old, "invalid_token")

    assert await tokens.get("a") == new


@pytest.mark.anyio
async def test_after_a_refused_shared_request_the_innocent_share_again() -> None:
    class Strict(Server):
        async def fetch(self, repositories: tuple[str, ...]) -> Grant:
            if "secret" in repositories:
                self.asked.append(repositories)
                raise RegistryRefused("403")
            return await super().fetch(repositories)

    server, time = Strict(), FakeClock()
    tokens = Tokens(server.fetch, time.clock())
    tokens.prepare(["a", "b", "secret"])

    for _ in range(2):
        for name in ("a", "b"):
            await tokens.get(name)
        with pytest.raises(RegistryRefused):
            await tokens.get("secret")
        time.passed_s += 1000

    first = [("a", "b", "secret"), ("a",), ("b",), ("secret",)]
    assert server.asked == [*first, ("a", "b"), ("secret",)]


@pytest.mark.anyio
async def test_a_caller_that_gives_up_does_not_take_the_token_from_the_others() -> None:
    server = Server()
    tokens = Tokens(server.fetch, FakeClock().clock())
    first, second = (asyncio.create_task(tokens.get("a")) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()

    assert (await second).reveal() == "token-1"


@pytest.mark.anyio
async def test_a_fault_reaches_every_caller_and_is_not_remembered() -> None:
    faults = [RegistryUnavailable("down")]

    async def fetch(repositories: tuple[str, ...]) -> Grant:
        await asyncio.sleep(0)
        if faults:
            raise faults.pop()
        return Grant(Secret("late"), 60, None)

    tokens = Tokens(fetch, FakeClock().clock())
    outcomes = await asyncio.gather(tokens.get("a"), tokens.get("a"), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [RegistryUnavailable] * 2
    assert (await tokens.get("a")).reveal() == "late"


_NAMES = st.text("abcxyz0189/._-", min_size=1, max_size=255)


@given(st.lists(_NAMES, max_size=200))
def test_batches_hold_everything_once_and_fit_an_address(names: list[str]) -> None:
    batches = in_batches(names)

    assert sorted(name for batch in batches for name in batch) == sorted(set(names))
    for batch in batches:
        query = token_request(httpx.URL("https://x/t"), "", batch, None, limit=1).url
        assert len(batch) <= REPOSITORIES_MOST and len(str(query)) <= QUERY_MOST + len("https://x/t?")


def test_a_request_names_service_and_every_scope_and_keeps_what_the_realm_has() -> None:
    asked = token_request(REALM, "reg", ("a/b", "c"), Login("u", Secret("p")), limit=1)

    assert httpx.URL(asked.url).params.multi_items() == [
        ("account", "me"),
        ("scope", "repository:a/b:pull"),
        ("scope", "repository:c:pull"),
        ("service", "reg"),
    ]
    assert asked.headers["authorization"] == "Basic dTpw"


def test_an_identity_token_travels_in_a_body_and_never_in_an_address() -> None:
    asked = token_request(REALM, "reg", ("a", "b"), IdentityToken(Secret("ref&resh")), limit=1)

    assert (asked.method, str(asked.url)) == ("POST", str(REALM))
    assert b"refresh_token=ref%26resh" in asked.body
    assert b"scope=repository%3Aa%3Apull+repository%3Ab%3Apull" in asked.body


def answer(document: object, **headers: str) -> Answer:
    return Answer(200, httpx.Headers(headers), json.dumps(document).encode())


def jwt(access: object) -> str:
    def part(document: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    return f"{part({})}.{part({'access': access})}.signature"


@pytest.mark.parametrize(
    ("document", "life_s"),
    [
        ({"token": "t"}, 60),
        ({"token": "t", "expires_in": 300}, 300),
        ({"token": "t", "expires_in": "300"}, 60),
        ({"token": "t", "expires_in": -1}, 60),
        ({"token": "t", "expires_in": float("nan")}, 60),
        ({"access_token": "t", "expires_in": 90.5}, 90.5),
    ],
)
def test_a_token_lives_as_long_as_the_server_says(document: object, life_s: float) -> None:
    assert read_grant("r", answer(document), NOW).life_s == life_s


def test_a_token_out_of_the_servers_cache_is_counted_from_its_issue_by_the_servers_clock() -> None:
    document = {"token": "t", "expires_in": 300, "issued_at": (NOW - timedelta(seconds=200)).isoformat()}

    grant = read_grant("r", answer(document, date=format_datetime(NOW)), NOW + timedelta(days=1))

    assert grant.life_s == 100


@pytest.mark.parametrize(
    ("access", "granted"),
    [
        ([{"type": "repository", "name": "a", "actions": ["pull"]}], {"a"}),
        ([{"type": "repository", "name": "a", "actions": ["*"]}], {"a"}),
        ([{"type": "repository", "name": "a", "actions": []}], set()),
        ([{"type": "registry", "name": "catalog", "actions": ["*"]}], set()),
        ([], set()),
        (None, set()),
        ("all", None),
        ([{"name": "a"}], None),
    ],
)
def test_what_a_token_grants_is_read_in_it(access: object, granted: set[str] | None) -> None:
    assert read_grant("r", answer({"token": jwt(access)}), NOW).repositories == granted


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_any_other_token_is_opaque(token: str) -> None:
    assert read_grant("r", answer({"token": token}), NOW).token.reveal() == token
