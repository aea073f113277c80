"""Who shares a budget with whom, before a real registry that refuses or says what it grants."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from graph.reference import ImageRef
from rebuild.images.registry import RateLimited
from rebuild.secrets.secret import Secret
from tests.faulty_registry import FaultyRegistry, faulty_registry
from tests.hostile_registry import Reply, Seen
from tests.real_registry import RealRegistry
from tests.tracker.registry.content import Pusher, image, index
from tests.tracker.registry.fake_clock import FakeClock
from tracker.registry import (
    BUILDING,
    POLLING,
    Budgets,
    FixedCredentials,
    IdentityToken,
    Login,
    RegistryClient,
)
from tracker.registry.budget import Pace
from tracker.registry.budgets import account_of

pytestmark = pytest.mark.anyio

AT_ONCE = replace(POLLING, attempts=1)
BUILD_AT_ONCE = replace(BUILDING, attempts=1)


@pytest.fixture
def proxy(registry: RealRegistry) -> Iterator[FaultyRegistry]:
    with faulty_registry(registry) as proxy:
        yield proxy


def of(user: str, password: str = "p") -> FixedCredentials:
    """Whom the proxy takes for that user, on any port."""

    class Anywhere(FixedCredentials):
        async def find(self, registry: str) -> Login:
            return Login(user, Secret(password))

    return Anywhere()


def user_of(seen: Seen) -> str:
    scheme, _, rest = seen.headers.get("authorization", "").partition(" ")
    return base64.b64decode(rest).decode().partition(":")[0] if scheme == "Basic" else ""


def login_then(answer: Callable[[Seen], Reply | None]) -> Callable[[Seen], Reply | None]:
    """Ask who it is, then answer."""

    def fault(seen: Seen) -> Reply | None:
        if not user_of(seen):
            return Reply(401, {"www-authenticate": 'Basic realm="test"'})
        return answer(seen)

    return fault


async def test_a_refusal_pauses_all_who_ask_as_that_account_and_nobody_else(
    proxy: FaultyRegistry, registry: RealRegistry
) -> None:
    pushed = Pusher(registry.url).image("app", "1", image("app"))
    app = ImageRef.parse(f"{proxy.host}/app:1")
    limited = Reply(429, {"retry-after": "600"})
    proxy.fault = login_then(lambda seen: limited if user_of(seen) == "busy" else None)
    budgets = Budgets()

    async with (
        RegistryClient(credentials=of("busy"), patience=AT_ONCE, budgets=budgets) as polls,
        RegistryClient(credentials=of("busy"), patience=BUILD_AT_ONCE, budgets=budgets) as builds,
        RegistryClient(credentials=of("calm"), patience=BUILD_AT_ONCE, budgets=budgets) as others,
    ):
        with pytest.raises(RateLimited):
            await polls.digest(app)
        with pytest.raises(RateLimited):
            await builds.digest(app)
        asked = len(proxy.seen)
        with pytest.raises(RateLimited) as told:
            await builds.digest(app)

        assert len(proxy.seen) == asked  # it is not even asked
        assert told.value.retry_after_s is not None and told.value.retry_after_s > 500
        assert await others.digest(app) == pushed


async def test_polls_leave_the_last_pulls_to_builds(proxy: FaultyRegistry, registry: RealRegistry) -> None:
    one = image("one")
    pusher = Pusher(registry.url)
    pusher.image("app", one.digest.hex, one)
    listed = index([one.manifest.descriptor(platform={"os": "linux", "architecture": "amd64"})])
    pusher.manifest("app", "1", listed)
    app = ImageRef.parse(f"{proxy.host}/app:1")
    quota = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "3;w=21600"}
    said = {"docker-content-digest": str(listed.digest), "content-type": listed.media_type, **quota}
    proxy.fault = lambda seen: Reply(200, said) if seen.method == "HEAD" else None
    budgets = Budgets()

    async with (
        RegistryClient(patience=AT_ONCE, budgets=budgets) as polls,
        RegistryClient(patience=BUILD_AT_ONCE, budgets=budgets) as builds,
    ):
        digest = await polls.digest(app)  # costs no pull
        with pytest.raises(RateLimited, match="3 of 100 pulls are left, which are kept for builds"):
            await polls.manifests(app, digest)
        polled = proxy.count("GET", "/manifests/")

        assert (await builds.manifests(app, digest)).is_index
        assert (polled, proxy.count("GET", "/manifests/")) == (0, 1)


class HandClock(FakeClock):
    """Stands still while others sleep, until a test moves it on."""

    moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        until_s = self.passed_s + seconds
        while self.passed_s < until_s:
            await self.moved.wait()

    async def move_on(self, seconds: float) -> None:
        self.passed_s += seconds
        self.moved.set()
        self.moved = asyncio.Event()
        for _ in range(20):  # all that can go on does
            await asyncio.sleep(0)


async def test_a_build_goes_before_the_polls_that_wait_for_the_pace() -> None:
    time, order = HandClock(), list[str]()
    pace = Pace(60, time.clock())

    async def ask(name: str, *, yields: bool) -> None:
        await pace.wait(yields=yields, tell=lambda pause_s: None)
        order.append(name)

    await ask("first", yields=True)
    waiting = [asyncio.create_task(ask("poll", yields=True)) for _ in range(3)]
    await time.move_on(0.5)
    waiting.append(asyncio.create_task(ask("build", yields=False)))
    await time.move_on(0)
    for _ in range(8):
        await time.move_on(0.5)
    await asyncio.gather(*waiting)

    assert order == ["first", "build", "poll", "poll", "poll"]


def test_an_account_is_named_without_its_secret() -> None:
    token = account_of(IdentityToken(Secret("s3cret")))

    assert (account_of(None), account_of(Login("me", Secret("s3cret")))) == ("", "me")
    assert "s3cret" not in token and token != account_of(IdentityToken(Secret("another")))
