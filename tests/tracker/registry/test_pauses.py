"""A client tells of its waits before it waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from graph.reference import ImageRef
from rebuild.images.pause import Pause
from rebuild.images.registry import RateLimited
from tests.faulty_registry import faulty_registry
from tests.hostile_registry import Reply
from tests.real_registry import RealRegistry
from tests.tracker.registry.content import Pusher, image
from tests.tracker.registry.fake_clock import START, FakeClock
from tracker.registry import BUILDING, POLLING, RegistryClient, RegistrySettings

pytestmark = pytest.mark.anyio


async def test_a_wait_that_the_registry_asked_for_is_told_with_its_end(registry: RealRegistry) -> None:
    digest = Pusher(registry.url).image("app", "1", image("app"))
    clock, pauses = FakeClock(), list[tuple[Pause, float]]()
    limited = iter([Reply(429, {"retry-after": "30"})])

    with faulty_registry(registry) as proxy:
        proxy.fault = lambda seen: next(limited, None)
        async with RegistryClient(patience=BUILDING, clock=clock.clock()) as client:
            telling = client.telling(lambda pause: pauses.append((pause, clock.passed_s)))

            found = await telling.digest(ImageRef.parse(f"{proxy.host}/app:1"))

    assert found == digest
    ((pause, told_at_s),) = pauses
    assert (pause.seconds, pause.until, told_at_s) == (30.0, START + timedelta(seconds=30), 0.0)
    assert pause.why.startswith(f"{proxy.host}: ")


async def test_what_is_not_waited_out_is_an_error_and_no_wait(registry: RealRegistry) -> None:
    pauses: list[Pause] = []
    with faulty_registry(registry) as proxy:
        proxy.fault = lambda seen: Reply(429, {"retry-after": "3600"})
        async with RegistryClient(patience=POLLING, clock=FakeClock().clock()) as client:
            with pytest.raises(RateLimited):
                await client.telling(pauses.append).digest(ImageRef.parse(f"{proxy.host}/app:1"))

    assert pauses == []


async def test_a_slow_pace_is_told(registry: RealRegistry) -> None:
    Pusher(registry.url).image("app", "1", image("app"))
    clock, pauses = FakeClock(), list[Pause]()
    slow = RegistrySettings(requests_per_minute=6)
    async with RegistryClient(patience=BUILDING, default=slow, clock=clock.clock()) as client:
        telling = client.telling(pauses.append)
        for _ in range(3):
            await telling.digest(ImageRef.parse(f"{registry.host}/app:1"))

    assert pauses and all(pause.standing for pause in pauses)
    assert pauses[0].why == f"{registry.host}: it is not asked faster than requests_per_minute says"
