"""What changes say about events: told, missed, or nothing; and when is asked again after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from graph.database import immediate
from graph.model import Manifests
from graph.reference import ImageRef
from graph.store import GraphStore, Source
from tests.graph_samples import Sample, digest_of
from tracker.events.kind import Kind
from tracker.events.sender import Naming, Sender
from tracker.metrics import Metrics
from tracker.state import State
from tracker.watching.event_path import EventPath
from tracker.watching.event_paths import EventPaths, Word
from tracker.watching.event_review import GRACE, EventReview
from tracker.watching.watch import Intervals

REGISTRY = "registry.example.com"
BASE = ImageRef.parse(f"{REGISTRY}/base:1")
OTHER = ImageRef.parse(f"{REGISTRY}/other:1")
MINUTE = timedelta(minutes=1)
USUAL = timedelta(seconds=300)


@dataclass
class Desk:
    """Two bases that are watched, and a review that its own clock drives."""

    sample: Sample
    sender: Sender
    at: datetime
    doublings: dict[str, int] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
    moves: int = 0

    def begin(self) -> None:
        """As after a start of the service."""
        intervals = Intervals(USUAL.total_seconds(), {}, jitter=0.0, doublings=self.doublings)
        self.review = EventReview(
            self.sample.sql,
            intervals,
            self.doublings,
            {self.sender.name: self.sender},
            self.metrics,
            now=lambda: self.at,
            chance=lambda: 0.5,
        )
        self.review.go_on()

    def listen(self) -> None:
        """Until all that moved before the start has been found."""
        self.begin()
        self.at += 2 * USUAL

    def move(self, reference: ImageRef = BASE, source: Source = Source.POLL) -> None:
        self.moves += 1
        with immediate(self.sample.sql):
            manifests = Manifests(digest_of(f"move {self.moves}"))
            GraphStore(self.sample.sql).observe(reference, manifests, self.at, source)

    def tell(self, reference: ImageRef = BASE, place: str = REGISTRY) -> None:
        with immediate(self.sample.sql):
            image_id = GraphStore(self.sample.sql).image_id(reference)
            EventPaths(self.sample.sql).note([Word(image_id, place, self.sender.name, self.at)])

    def wait(self, time: timedelta = GRACE + MINUTE) -> None:
        self.review.go_on()
        self.at += time
        self.review.go_on()

    def prove(self, times: int = 5) -> None:
        for _ in range(times):
            self.tell()
            self.move(source=Source.EVENT)
            self.wait(timedelta(days=1))

    @property
    def path(self) -> EventPath:
        (path,) = EventPaths(self.sample.sql).all()
        return path

    def due_in(self, reference: ImageRef) -> timedelta:
        query = "SELECT due_at FROM observations o JOIN images i ON i.id = o.image_id WHERE i.name = ?"
        (due_at,) = self.sample.sql.execute(query, (str(reference),)).fetchone()
        return datetime.fromisoformat(due_at) - self.at

    def put_off(self, reference: ImageRef, by: timedelta) -> None:
        with immediate(self.sample.sql):
            store = GraphStore(self.sample.sql)
            store.schedule([store.image_id(reference)], self.at + by)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    state = State(tmp_path)
    sample = Sample(state, state.write())
    sample.build(f"{REGISTRY}/app:1", str(BASE), str(OTHER), hours=1)
    yield Desk(sample, Sender("distribution", Kind.DISTRIBUTION), sample.at.replace(microsecond=0))
    sample.sql.close()


@pytest.mark.parametrize("source", [Source.EVENT, Source.POLL, Source.BUILD, Source.PUSH])
def test_a_change_is_told_if_an_event_named_it_whoever_saw_it_first(desk: Desk, source: Source) -> None:
    desk.listen()

    desk.move(source=source)
    desk.at += MINUTE / 2
    desk.tell()
    desk.wait()

    assert (desk.path.told, desk.path.missed) == (1, 0)


def test_a_change_of_which_no_event_told_is_missed_counted_and_named(desk: Desk) -> None:
    desk.listen()
    desk.tell(OTHER)

    desk.move(BASE)
    desk.wait()

    assert (desk.path.told, desk.path.missed, desk.path.missed_name) == (0, 1, str(BASE))
    labels = {"registry": REGISTRY}
    assert desk.metrics.registry.get_sample_value("tracker_missed_events_total", labels) == 1


def test_nothing_is_judged_while_the_event_may_still_be_on_its_way(desk: Desk) -> None:
    desk.listen()
    desk.tell(OTHER)

    desk.move(BASE)
    desk.wait(GRACE - timedelta(seconds=1))

    assert desk.path.missed == 0


def test_nothing_is_missed_where_no_sender_is_known(desk: Desk) -> None:
    desk.listen()

    desk.move()
    desk.wait()

    assert EventPaths(desk.sample.sql).all() == []


def test_a_sender_that_never_told_misses_what_its_settings_promise(desk: Desk) -> None:
    desk.sender = Sender("ours", Kind.DISTRIBUTION, naming=Naming(registry=REGISTRY))
    desk.listen()

    desk.move()
    desk.wait()

    assert (desk.path.source, desk.path.missed) == ("ours", 1)


def test_what_moved_while_nobody_listened_is_not_missed(desk: Desk) -> None:
    desk.begin()
    desk.tell(OTHER)

    desk.at += USUAL / 2
    desk.move()
    desk.wait()

    assert (desk.path.told, desk.path.missed) == (0, 0)


def test_one_repository_says_nothing_of_another(desk: Desk) -> None:
    desk.sender = Sender("quay", Kind.QUAY)
    desk.listen()
    desk.tell(BASE, place=BASE.name)

    desk.move(OTHER)
    desk.wait()

    assert desk.path.missed == 0


def test_proof_stretches_the_interval_and_a_miss_asks_about_all_soon(desk: Desk) -> None:
    desk.listen()
    desk.prove(5)
    stretched = dict(desk.doublings)
    desk.put_off(OTHER, timedelta(hours=5))

    desk.move(BASE)
    desk.wait()

    assert stretched == {REGISTRY: 3}
    assert desk.doublings == {}
    assert desk.due_in(OTHER) == USUAL / 2


def test_after_a_start_what_was_put_off_is_asked_about_soon_and_the_proof_still_counts(desk: Desk) -> None:
    desk.listen()
    desk.prove(5)
    desk.put_off(OTHER, timedelta(hours=5))

    desk.doublings.clear()
    desk.begin()

    assert desk.due_in(OTHER) == USUAL / 2
    assert desk.doublings == {REGISTRY: 3}


def test_a_sender_that_the_settings_no_longer_have_proves_nothing(desk: Desk) -> None:
    desk.listen()
    desk.prove(5)

    desk.sender = Sender("another", Kind.DISTRIBUTION)
    desk.begin()

    assert desk.doublings == {}
