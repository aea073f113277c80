"""Newer tags, found at a real registry by the schedule and on demand, and what follows from them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from graph.clock import now
from graph.database import immediate
from graph.following import Followings
from graph.model import BuildRecord, Followed, Manifests, RecordedBase
from graph.reference import ImageRef, Platform
from graph.snapshot import TaskStates, read_snapshot
from graph.staleness import Limits, Reason, decide
from graph.store import GraphStore
from graph.tag_lists import ListedRepository, TagLists
from graph.words import Role, Via
from rebuild.images.registry import RegistryUnavailable, TagList
from tests.graph_samples import Sample, digest_of
from tests.hostile_registry import Reply, hostile_registry
from tests.real_registry import RealRegistry
from tests.tracker.registry.content import Pusher, image
from tracker.metrics import Metrics
from tracker.registry import Patience, RegistryClient
from tracker.watching.asking_now import AskingNow
from tracker.watching.checking import row_of
from tracker.watching.intake import Intake
from tracker.watching.poller import Poller
from tracker.watching.tag_watch import AT_ONCE, DUE_MOST, ListAnswer, TagAsker, TagPoller, due_after
from tracker.watching.watch import Asker, Intervals

pytestmark = pytest.mark.anyio

INTERVALS = Intervals(60.0, {}, jitter=0.0)
AMD64 = Platform.parse("linux/amd64")


class Looked:
    """Counts how often changes were looked at."""

    def __init__(self) -> None:
        self.times = 0

    def look_within(self) -> None:
        self.times += 1

    def start(self) -> None:
        """Nothing is carried out here."""


@dataclass
class Scene:
    """An image that follows `lib:1.*`, and both pollers."""

    sample: Sample
    host: str
    tags: TagPoller
    references: Poller
    looked: Looked

    def follow(self, used: str, holds: Manifests) -> None:
        written = ImageRef.parse(f"{self.host}/lib:1.0")
        followed = Followed(f"{self.host}/lib:1.*", written)
        base = RecordedBase(written.with_tag(used), Role.RUNTIME, Via.FROM, "0", 1, holds, (AMD64,), followed)
        build = BuildRecord(
            (ImageRef.parse("app"),), None, digest_of("c"), (AMD64,), (base,), now(), now(), 1.0, task_id=1
        )
        with immediate(self.sample.sql):
            GraphStore(self.sample.sql).record(build)

    @property
    def reason(self) -> Reason | None:
        decided = decide(read_snapshot(self.sample.sql, TaskStates()), now(), Limits())
        return next((decision.reason for decision in decided.values()), None)

    def lists(self) -> list[tuple[str, int, str | None]]:
        rows = self.sample.sql.execute("SELECT repository, failures, error FROM tag_lists")
        return [*rows]


async def scene_on(host: str, folder: Path) -> AsyncIterator[Scene]:
    sample, looked, metrics = Sample.make(folder / "state"), Looked(), Metrics()
    intake = Intake(sample.sql, looked, metrics, INTERVALS)
    async with RegistryClient(patience=Patience(attempts=1, total_s=0)) as client:
        tags = TagPoller(sample.sql, TagAsker(client, now), intake, INTERVALS, now)
        references = Poller(sample.sql, Asker(client, metrics, now), intake, INTERVALS, metrics, now)
        yield Scene(sample, host, tags, references, looked)
    sample.sql.close()


@pytest.fixture
async def scene(registry: RealRegistry, tmp_path: Path) -> AsyncIterator[Scene]:
    async for made in scene_on(registry.host, tmp_path):
        yield made


def push(registry: RealRegistry, tag: str) -> Manifests:
    return Manifests(Pusher(registry.url).image("lib", tag, image(tag)))


async def test_a_newer_tag_at_the_registry_asks_for_a_rebuild(scene: Scene, registry: RealRegistry) -> None:
    scene.follow("1.0", push(registry, "1.0"))
    for tag in ("1.2", "1.10", "2.0"):
        push(registry, tag)

    await scene.tags.ask_due()
    await scene.references.ask_due()

    assert scene.reason is Reason.NEWER_TAG
    newest = scene.sample.sql.execute(
        "SELECT i.name FROM followings f JOIN images i ON i.id = f.newer_id"
    ).fetchall()
    assert newest == [(f"{registry.host}/lib:1.10",)]


async def test_a_list_is_not_asked_for_before_its_time(scene: Scene, registry: RealRegistry) -> None:
    scene.follow("1.0", push(registry, "1.0"))
    await scene.tags.ask_due()
    asked = len(registry.requests())

    await scene.tags.ask_due()

    assert len(registry.requests()) == asked


async def test_a_list_that_tells_nothing_new_is_looked_at_no_further(
    scene: Scene, registry: RealRegistry
) -> None:
    scene.follow("1.0", push(registry, "1.0"))

    await scene.tags.ask_due()

    assert scene.looked.times == 0
    assert scene.reason is None


async def test_whoever_asks_now_hears_of_the_list_and_of_the_newer_tag(
    scene: Scene, registry: RealRegistry
) -> None:
    scene.follow("1.0", push(registry, "1.0"))
    push(registry, "1.2")
    asking = AskingNow(scene.sample.sql, scene.tags, scene.references)

    watched = GraphStore(scene.sample.sql).all_watched()
    rows = [row_of(answer) async for batch in asking.ask(watched) for answer in batch]

    assert {(row["reference"], row["result"]) for row in rows} == {
        (f"{registry.host}/lib:*", "changed"),
        (f"{registry.host}/lib:1.0", "unchanged"),
        (f"{registry.host}/lib:1.2", "changed"),
    }
    assert scene.reason is Reason.NEWER_TAG


async def test_a_registry_that_lists_nothing_is_told_and_asked_again_later(tmp_path: Path) -> None:
    with hostile_registry() as hostile:
        hostile.script = [Reply(500)]
        async for scene in scene_on(hostile.host, tmp_path):
            scene.follow("1.0", Manifests(digest_of("base")))

            await scene.tags.ask_due()

            [(_, failures, error)] = scene.lists()
            assert (failures, "HTTP 500" in str(error)) == (1, True)
            assert TagLists(scene.sample.sql).due(now(), 10) == []


async def test_many_repositories_are_asked_for_side_by_side(scene: Scene, registry: RealRegistry) -> None:
    pusher, pushed = Pusher(registry.url), image("x")
    for number in range(12):
        pusher.image(f"lib{number}", "1.0", pushed)
    with immediate(scene.sample.sql):
        for number in range(12):
            TagLists(scene.sample.sql).watch(f"{registry.host}/lib{number}", now())

    await asyncio.wait_for(scene.tags.ask_due(), 60)

    known = [each.known for each in TagLists(scene.sample.sql).all()]
    assert [one.tags for one in known if one] == [("1.0",)] * 12


async def test_no_registry_waits_for_the_lists_of_one_that_does_not_answer(
    scene: Scene, registry: RealRegistry
) -> None:
    push(registry, "1.0")
    lists = TagLists(scene.sample.sql)
    with hostile_registry() as silent:
        silent.script = [Reply(hang=True)]
        with immediate(scene.sample.sql):
            for number in range(DUE_MOST):
                lists.watch(f"{silent.host}/lib{number}", now() - timedelta(hours=1))
            lists.watch(f"{registry.host}/lib", now())

        working = asyncio.create_task(scene.tags.work())
        async with asyncio.timeout(50):
            while (known := lists.known(f"{registry.host}/lib")) is None:  # noqa: ASYNC110  # a row
                await asyncio.sleep(0.02)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    assert known.tags == ("1.0",)


async def test_whoever_asks_for_lists_now_hears_first_of_registries_that_answer(
    scene: Scene, registry: RealRegistry
) -> None:
    push(registry, "1.0")
    with hostile_registry() as silent:
        silent.script = [Reply(hang=True)]
        names = [*(f"{silent.host}/lib{number}" for number in range(AT_ONCE)), f"{registry.host}/lib"]

        async with contextlib.aclosing(scene.tags.ask_now([*map(ListedRepository, names)])) as answers:
            first = await asyncio.wait_for(anext(answers), 50)

    assert first.repository.name == f"{registry.host}/lib"


async def test_a_rule_of_a_task_that_built_without_it_counts_at_the_next_list(
    scene: Scene, registry: RealRegistry
) -> None:
    scene.follow("1.0", push(registry, "1.0"))
    with immediate(scene.sample.sql):
        Followings(scene.sample.sql).retell(1, [], now())
    push(registry, "1.2")
    await scene.tags.ask_due()
    await scene.references.ask_due()
    assert scene.reason is None

    with immediate(scene.sample.sql):
        scene.sample.sql.execute("UPDATE images SET task_id = 1 WHERE name = 'docker.io/library/app:latest'")
        Followings(scene.sample.sql).retell(1, [f"{registry.host}/lib:1.*"], now())
    await scene.tags.ask_due()
    await scene.references.ask_due()

    assert scene.reason is Reason.NEWER_TAG


def test_after_a_failure_a_list_is_asked_for_sooner() -> None:
    at, repository = now(), ListedRepository("r.io/lib")

    usual = due_after(ListAnswer(repository, at, TagList(())), INTERVALS)
    sooner = due_after(ListAnswer(repository, at, error=RegistryUnavailable("down")), INTERVALS)

    assert ((usual - at).total_seconds(), (sooner - at).total_seconds()) == (60.0, 30.0)
