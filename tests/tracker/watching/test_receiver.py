"""Events against a real registry: whatever they say and however often, only its answer counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from graph.clock import now
from graph.database import immediate
from graph.observing import Watched
from graph.reference import Digest, ImageRef
from graph.store import GraphStore
from graph.tag_lists import TagLists
from rebuild.secrets.secret import Secret
from tests.graph_samples import Sample, digest_of
from tests.hostile_registry import Reply, hostile_registry
from tests.real_registry import RealRegistry
from tests.tracker.registry.content import Pusher, image
from tracker.metrics import EventResult, Metrics
from tracker.registry import POLLING, RegistryClient
from tracker.settings.senders import senders_of
from tracker.settings.settings import EventSource, SenderName
from tracker.state import State
from tracker.watching.inbox import Inbox
from tracker.watching.intake import Intake
from tracker.watching.receiver import Receiver
from tracker.watching.watch import Asker, Intervals

SOURCE = "generic"


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
    """One base in a real registry, an image that stands on it, and the receiver."""

    sample: Sample
    registry: RealRegistry
    receiver: Receiver
    metrics: Metrics
    looked: Looked
    base: ImageRef

    def push(self, name: str) -> Digest:
        return Pusher(self.registry.url).image("base", "1", image(name))

    def tell(self, *digests: Digest | None, source: str = SOURCE, of: ImageRef | None = None) -> None:
        with immediate(self.sample.sql):
            for digest in digests:
                entry = {"reference": str(of or self.base), **({"digest": str(digest)} if digest else {})}
                Inbox(self.sample.sql).put(source, json.dumps(entry).encode(), now())
        self.receiver.wake()

    async def settle(self, left: int = 0) -> None:
        """Until every letter is dealt with, but so many."""
        working = asyncio.create_task(self.receiver.work())
        try:
            for _ in range(6000):
                if Inbox(self.sample.sql).count() == left:
                    return
                await asyncio.sleep(0.01)
            raise AssertionError("there are letters left")
        finally:
            working.cancel()
            await asyncio.wait([working])

    @property
    def observed(self) -> Watched | None:
        return GraphStore(self.sample.sql).watched([self.base]).get(self.base)

    def counted(self, result: EventResult, source: str = SOURCE) -> float:
        labels = {"source": source, "result": str(result)}
        return self.metrics.registry.get_sample_value("tracker_events_total", labels) or 0.0

    def questions(self) -> int:
        return sum("HEAD" in line and "/base/manifests/1" in line for line in self.registry.requests())


@pytest.fixture
async def scene(tmp_path: Path, registry: RealRegistry) -> AsyncIterator[Scene]:
    base = ImageRef.parse(f"{registry.host}/base:1")
    sample = Sample(State(tmp_path / "state"), State(tmp_path / "state").write())
    sample.build(f"{registry.host}/app:1", str(base), hours=1)
    metrics, looked = Metrics(), Looked()
    async with RegistryClient() as client:
        asker = Asker(client.with_patience(POLLING), metrics, now)
        senders = senders_of({SenderName(SOURCE): EventSource(secret=(Secret("s"),))})
        receiver = Receiver(
            sample.sql,
            asker,
            Intake(sample.sql, looked, metrics, Intervals()),
            metrics,
            senders=senders,
            now=now,
        )
        yield Scene(sample, registry, receiver, metrics, looked, base)
    sample.sql.close()


@pytest.mark.anyio
@pytest.mark.parametrize("tells_digest", [True, False])
async def test_an_event_brings_what_the_registry_shows(scene: Scene, tells_digest: bool) -> None:
    new = scene.push("new")

    scene.tell(new if tells_digest else None)
    await scene.settle()

    assert scene.observed is not None and scene.observed.observed == new
    assert scene.looked.times == 1


@pytest.mark.anyio
async def test_a_push_that_is_told_of_a_hundred_times_is_asked_about_once(scene: Scene) -> None:
    scene.tell(*[scene.push("new")] * 100)

    await scene.settle()

    assert scene.questions() == 1
    assert scene.looked.times == 1


@pytest.mark.anyio
async def test_a_storm_without_digests_is_few_questions(scene: Scene) -> None:
    scene.push("new")

    scene.tell(*[None] * 2000)
    await scene.settle()

    assert scene.questions() <= 3


@pytest.mark.anyio
async def test_a_registry_that_does_not_answer_holds_up_the_events_of_no_other(scene: Scene) -> None:
    new = scene.push("new")
    with hostile_registry() as silent:
        silent.script = [Reply(hang=True)]
        there = ImageRef.parse(f"{silent.host}/base:1")
        scene.sample.build(f"{scene.registry.host}/other:1", str(there), hours=1)

        scene.tell(digest_of("somewhere"), of=there)
        scene.tell(new)
        scene.tell(digest_of("anything"), of=ImageRef.parse("nobody.example.com/stands:1"))
        await scene.settle(left=1)

    assert scene.observed is not None and scene.observed.observed == new
    assert scene.counted(EventResult.UNWATCHED) == 1


@pytest.mark.anyio
async def test_events_out_of_order_end_where_the_registry_is(scene: Scene) -> None:
    first, second = scene.push("first"), scene.push("second")

    scene.tell(second)
    await scene.settle()
    scene.tell(first, second)
    await scene.settle()

    assert scene.observed is not None and scene.observed.observed == second
    assert scene.looked.times == 1


@pytest.mark.anyio
async def test_an_event_that_lies_changes_nothing(scene: Scene) -> None:
    true = scene.push("true")

    scene.tell(digest_of("a lie"))
    await scene.settle()

    assert scene.observed is not None and scene.observed.observed == true


@pytest.mark.anyio
async def test_what_a_sender_sent_that_the_settings_no_longer_have_is_dropped(scene: Scene) -> None:
    scene.tell(None, source="gone")

    await scene.settle()

    assert scene.questions() == 0


@pytest.mark.anyio
async def test_a_push_of_a_new_tag_hastens_the_list_of_a_followed_repository(scene: Scene) -> None:
    lists, later = TagLists(scene.sample.sql), now() + timedelta(hours=1)
    with immediate(scene.sample.sql):
        lists.watch(scene.base.name, later)
        lists.watch("r.io/other", later)
        entry = {"reference": str(scene.base.with_tag("2"))}
        Inbox(scene.sample.sql).put(SOURCE, json.dumps(entry).encode(), now())
    scene.receiver.wake()

    await scene.settle()

    assert [each.name for each in lists.due(now() + timedelta(minutes=1), 10)] == [scene.base.name]
    assert scene.counted(EventResult.UNWATCHED) == 1
