"""A storm of signed events on the real service, and kill -9 in the middle: nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.e2e.bases import Shelf
from tests.e2e.scenes import Scene, scene
from tests.e2e.yard import NO_POLL, Yard
from tests.event_storm import Plan, Report, Sender, numbers_in
from tests.faulty_registry import FaultyRegistry, faulty_registry
from tests.hostile_registry import Reply
from tests.real_service import RealService

SECRET = "a secret of this test"
SETTINGS = {**NO_POLL, "TRACKER__EVENTS__GENERIC__SECRET": SECRET}
EVENTS = 600
PER_S = 200
WAIT_S = 120.0


@contextlib.contextmanager
def sending(service: RealService, *references: tuple[str, str | None], events: int) -> Iterator[Sender]:
    sender = Sender(
        Plan(service.port, "/events/generic", SECRET, PER_S, events / PER_S, [*references], connections=16)
    )
    try:
        yield sender
    finally:
        sender.end()


def send(service: RealService, *references: tuple[str, str | None], events: int) -> Report:
    with sending(service, *references, events=events) as sender:
        return sender.report(WAIT_S)


def letters(service: RealService) -> set[int]:
    return numbers_in([payload for (payload,) in service.query("SELECT payload FROM inbox")])


@pytest.fixture
def proxy(shared_yard: Yard) -> Iterator[FaultyRegistry]:
    with faulty_registry(shared_yard.registry) as proxy:
        yield proxy


@pytest.fixture
def made(shared_yard: Yard, proxy: FaultyRegistry, request: pytest.FixtureRequest) -> Scene:
    """An image on a base that is asked about through the proxy."""
    name = f"storm-{len(request.node.name)}"
    made = scene(shared_yard, name, Shelf(shared_yard.registry, proxy.host), app="FROM BASE\nCOPY f /f\n")
    made.push_base("first")
    return made


def test_a_storm_is_answered_in_full_and_ends_in_one_rebuild(shared_yard: Yard, made: Scene) -> None:
    with shared_yard.service(SETTINGS) as service:
        made.build(service)
        service.start()
        made.push_base("second")
        moved = str(made.shelf.digest(made.base))

        report = send(service, (made.base_name, moved), ("localhost:1/stranger:1", None), events=EVENTS)
        made.wait_until_settled(service)
        service.until(lambda: not letters(service), "all events to be dealt with")

        assert (len(report.acknowledged), report.others) == (EVENTS, {})
        assert len(made.rebuilt(service, "app")) == 1


def test_none_of_the_acknowledged_is_lost_when_the_service_is_killed_in_the_middle(
    shared_yard: Yard, proxy: FaultyRegistry, made: Scene
) -> None:
    with shared_yard.service(SETTINGS) as service:
        made.build(service)
        service.start()
        proxy.fault = lambda seen: Reply(hang=True) if seen.method == "HEAD" else None
        send(service, (made.base_name, None), events=1)
        service.until(lambda: proxy.count("HEAD", "/manifests/"), "the registry to hang, and all behind it")

        with sending(service, (made.base_name, None), events=EVENTS) as sender:
            service.until(lambda: len(letters(service)) > EVENTS / 4, "the storm to be on its way")
            service.kill()
            acknowledged = set(sender.report(WAIT_S).acknowledged)

        assert EVENTS / 4 < len(acknowledged) < EVENTS
        assert acknowledged - letters(service) == set()

        made.push_base("second")
        proxy.heal()
        service.start()
        service.until(lambda: not letters(service), "all events to be dealt with")
        made.wait_until_settled(service)

        assert len(made.rebuilt(service, "app")) == 1


def test_what_is_not_signed_right_is_not_stored_however_much_of_it_comes(
    shared_yard: Yard, made: Scene
) -> None:
    with shared_yard.service({**SETTINGS, "TRACKER__EVENTS__GENERIC__SECRET": "another"}) as service:
        made.build(service)
        service.start()

        report = send(service, (made.base_name, None), events=100)

        assert report.others == {"401": 100}
        assert letters(service) == set()
