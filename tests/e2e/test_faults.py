"""A registry in trouble, two processes at once, a held database: all of it delays, nothing corrupts."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.bases import Shelf
from tests.e2e.scenes import Scene, Seed, scene
from tests.e2e.yard import NO_POLL, Yard
from tests.fake_token_server import TokenRequest
from tests.faulty_registry import FaultyRegistry, faulty_registry
from tests.hostile_registry import Reply, Seen
from tests.real_service import RealService
from tests.tracker.registry.servers import registry_with_tokens

CLOSED = Reply(raw=b"")
WRONG = "sha256:" + "5" * 64


@dataclass(frozen=True)
class Troubled:
    """A service whose registry misbehaves on command."""

    proxy: FaultyRegistry
    service: RealService
    made: Scene

    def until_asked(self, method: str, part: str, times: int) -> None:
        """Wait until the registry was asked that often from now on."""
        before = self.proxy.count(method, part)
        self.service.until(
            lambda: self.proxy.count(method, part) >= before + times, f"{method} {part} to be asked"
        )


@pytest.fixture(scope="module")
def proxy(shared_yard: Yard) -> Iterator[FaultyRegistry]:
    with faulty_registry(shared_yard.registry) as running:
        yield running


@pytest.fixture(scope="module")
def seed(shared_yard: Yard, proxy: FaultyRegistry) -> Seed:
    shelf = Shelf(shared_yard.registry, proxy.host)
    return Seed.plant(scene(shared_yard, "fault", shelf, app="FROM BASE\nCOPY f /f\n"))


@pytest.fixture
def troubled(seed: Seed, proxy: FaultyRegistry) -> Iterator[Troubled]:
    proxy.heal()
    with seed.service() as service:
        (service.folder / "tracker.toml").write_text(f'[registries."{proxy.host}"]\nread_timeout = "1s"\n')
        service.variables = {**service.variables, "TRACKER_CONFIG": str(service.folder / "tracker.toml")}
        yield Troubled(proxy, service, seed.scene)


def manifests(reply: Reply, *methods: str) -> Callable[[Seen], Reply | None]:
    """Trouble with manifests only, for these methods."""
    return lambda seen: reply if seen.method in methods and "/manifests/" in seen.path else None


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("down", CLOSED),
        ("500", Reply(500, body=b"<html>oops</html>")),
        ("429", Reply(429, {"retry-after": "1"}, b"slow down")),
        ("hangs", Reply(hang=True)),
        ("no digest and no JSON", Reply(200, {"content-type": "text/html"}, b"<html>hello</html>")),
        ("wrong digest", Reply(200, {"docker-content-digest": WRONG, "content-type": "text/plain"})),
    ],
)
def test_a_registry_in_trouble_during_polls_only_delays(
    troubled: Troubled, seed: Seed, name: str, reply: Reply
) -> None:
    made, service = troubled.made, troubled.service
    service.start()
    troubled.proxy.fault = manifests(reply, "HEAD", "GET")
    made.push_base(f"second, unseen: {name}")

    troubled.until_asked("HEAD", "/manifests/", 2)
    in_trouble = made.shelf.digest(made.image("app"))
    troubled.proxy.heal()
    made.wait_until_settled(service)

    assert str(in_trouble) == seed.tags[made.image("app")]
    assert made.rebuilt(service, "app")[-1].status == "Succeeded"
    assert service.get("/healthz")[0] == 200


def test_a_build_waits_for_a_registry_that_is_down_for_a_moment(troubled: Troubled) -> None:
    made, service = troubled.made, troubled.service
    (made.projects["app"] / "f").write_text("built while the registry came back")
    troubled.proxy.fault = manifests(CLOSED, "HEAD")
    command = ("build", str(made.projects["app"]), "-t", made.image("app"), "--task", made.task("app"))
    building = service.launch(*command, log="build.log")

    troubled.until_asked("HEAD", "/manifests/", 2)
    troubled.proxy.heal()

    assert building.wait(120) == 0, (service.folder / "build.log").read_text()


@pytest.mark.parametrize("command", ["build", "check"])
def test_who_waits_for_a_limited_registry_is_told_once_which_and_until_when(
    troubled: Troubled, command: str
) -> None:
    made, service = troubled.made, troubled.service
    limited = iter([Reply(429, {"retry-after": "3"}, b"slow down")])
    troubled.proxy.fault = lambda seen: next(limited, None) if "/manifests/" in seen.path else None
    build = (str(made.projects["app"]), "-t", made.image("app"), "--task", made.task("app"))

    done = service.tracker(command, *(build if command == "build" else ()))

    (line,) = [line for line in done.stderr.splitlines() if "waiting until" in line]
    assert re.search(rf"waiting until \d\d:\d\d:\d\d UTC, 3 s: {re.escape(troubled.proxy.host)}: ", line)


@pytest.mark.parametrize("reply", [CLOSED, Reply(503, body=b"not now")], ids=["down", "503"])
def test_a_push_that_fails_is_tried_again_later(troubled: Troubled, reply: Reply) -> None:
    made, service = troubled.made, troubled.service
    service.start()
    upload = ("POST", "PUT", "PATCH")
    troubled.proxy.fault = lambda seen: reply if seen.method in upload and "/app/" in seen.path else None
    made.push_base(f"second, hard to push on: {reply.status} {reply.raw!r}")

    service.until(lambda: [r for r in made.rebuilt(service, "app") if r.finished_at], "the push to fail")
    troubled.proxy.heal()
    made.wait_until_settled(service)

    assert made.rebuilt(service, "app")[0].status in ("Failed", "Error")
    assert made.rebuilt(service, "app")[-1].status == "Succeeded"


def test_a_wrong_digest_after_a_push_is_not_recorded(troubled: Troubled) -> None:
    made, service = troubled.made, troubled.service
    old = str(made.shelf.digest(made.image("app")))
    service.start()

    def stale(seen: Seen) -> Reply | None:
        after_push = any(other.method == "PUT" and "/app/manifests/" in other.path for other in pushed())
        if after_push and seen.method == "HEAD" and "/app/manifests/latest" in seen.path:
            headers = {
                "docker-content-digest": old,
                "content-type": "application/vnd.oci.image.manifest.v1+json",
            }
            return Reply(200, headers)
        return None

    begun = len(troubled.proxy.seen)

    def pushed() -> list[Seen]:
        return troubled.proxy.seen[begun:]

    troubled.proxy.fault = stale
    made.push_base("second, answered out of date")
    service.until(lambda: [r for r in made.rebuilt(service, "app") if r.status == "Error"], "the run to end")
    troubled.proxy.heal()
    made.wait_until_settled(service)

    assert "now holds something else" in str(made.rebuilt(service, "app")[0].error)


def test_tokens_that_expire_in_the_middle_only_cost_another_one(shared_yard: Yard) -> None:
    with (
        registry_with_tokens(shared_yard.folder / "guarded", "guarded/unused") as guarded,
        shared_yard.service() as service,
    ):
        scopes = tuple(f"repository:tokens/{name}:pull,push" for name in ("base", "app"))
        _, granted = guarded.tokens.answer(TokenRequest("GET", scopes, None, None))
        login = {"authorization": f"Bearer {granted['token']}"}
        shelf = Shelf(guarded.registry, guarded.registry.host, login)
        made = scene(shared_yard, "tokens", shelf, app="FROM BASE\nCOPY f /f\n")
        made.push_base("first")
        made.build(service)
        service.start()

        guarded.tokens.expired_ones = 3
        made.push_base("second")
        made.wait_until_settled(service)

        assert guarded.tokens.expired_ones == 0
        assert made.rebuilt(service, "app")[-1].status == "Succeeded"


def test_a_second_service_on_the_same_state_is_refused(seed: Seed) -> None:
    with seed.service() as service:
        service.start()

        ended = service.tracker("serve", "--listen", "127.0.0.1:0", expect=1)

        assert "another tracker serves the state folder" in ended.stderr
        assert "hint: " in ended.stderr


def test_two_builds_of_one_task_at_once_do_not_mix(seed: Seed, proxy: FaultyRegistry) -> None:
    proxy.heal()
    made = seed.scene
    with seed.service() as service:
        (made.projects["app"] / "f").write_text("built twice at once")
        command = ("build", str(made.projects["app"]), "-t", made.image("app"), "--task", made.task("app"))
        service.hook("before-push")
        first = service.launch(*command, log="first.log")
        service.wait_until_held()

        second = service.tracker(*command, expect=1)
        service.unhook("before-push")
        assert first.wait(120) == 0

        assert "is being built at this moment" in second.stderr
        service.start()
        made.wait_until_settled(service)
        assert [run.status for run in made.runs(service, "app")] == ["Succeeded"] * 3


def test_a_database_that_is_held_for_long_delays_and_loses_nothing(seed: Seed, proxy: FaultyRegistry) -> None:
    proxy.heal()
    made = seed.scene
    with seed.service() as service:
        service.hook("before-push")
        service.start()
        made.push_base("second, while somebody holds the database")
        service.wait_until_held()

        with held(service):
            service.unhook("before-push")
            service.until(lambda: "cannot" in service.log, "the service to say so")
        made.wait_until_settled(service)

        assert made.rebuilt(service, "app")[-1].status == "Succeeded"
        assert service.process is not None


@contextlib.contextmanager
def held(service: RealService) -> Iterator[None]:
    """Another process in the middle of a write, as far as SQLite can tell."""
    with contextlib.closing(sqlite3.connect(service.state / "graph.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_log_that_cannot_be_written_ends_the_run_with_the_reason(seed: Seed, proxy: FaultyRegistry) -> None:
    proxy.heal()
    made = seed.scene
    with seed.service() as service:
        shutil.rmtree(service.state / "logs")
        (service.state / "logs").write_text("no folder")

        ended = service.tracker("build", made.projects["app"], "-t", made.image("app"), expect=2)

        assert "logs" in ended.stderr
        assert "hint: " in ended.stderr


def test_an_event_that_comes_before_its_tag_has_moved_is_asked_about_again(
    seed: Seed, proxy: FaultyRegistry
) -> None:
    made, asked = seed.scene, []
    not_yet = {
        "docker-content-digest": seed.tags[made.base_name],
        "content-type": "application/vnd.oci.image.manifest.v1+json",
    }

    def early(seen: Seen) -> Reply | None:
        if seen.method != "HEAD" or "/fault/base/" not in seen.path:
            return None
        asked.append(seen)
        return Reply(200, not_yet) if len(asked) <= 3 else None

    with seed.service(NO_POLL, events=True) as service:
        service.start()
        proxy.fault = early
        made.push_base("second, told of too early")
        made.wait_until_settled(service)

        assert len(asked) > 3
        assert len(made.rebuilt(service, "app")) == 1
