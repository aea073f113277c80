"""What a scrape says: every metric from the start, labels from outside bounded, one reading for many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from graph.database import immediate
from graph.model import BuildRecord, Manifests, RecordedBase
from graph.reference import Digest, ImageRef, Platform
from graph.store import GraphStore, Source
from graph.words import Role, Via
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.table import Cause, Runs, Status
from rebuild.tasks.task import Tasks
from tracker.metrics import CheckResult, EventResult, Metrics, StateRead, code_of
from tracker.registry import BudgetLeft, RequestSeen
from tracker.scrape import Scrape, read_state
from tracker.state import State
from tracker.watching.inbox import Inbox

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AMD64 = Platform.parse("linux/amd64")
BASE, APP = ImageRef.parse("registry.test/base:1"), ImageRef.parse("registry.test/app:1")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def digest(text: str) -> Digest:
    return Digest("sha256", text * 64)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def record_app(state: State, at: datetime) -> int:
    """One image with a task, on one base; answers the task's number."""
    connection = state.write()
    base = RecordedBase(BASE, Role.RUNTIME, Via.FROM, "0", 1, Manifests(digest("a")), (AMD64,))
    with immediate(connection):
        task = Tasks(connection).save("app", Definition("/src", DockerStep((str(APP),)), AMD64), at)
        GraphStore(connection).record(
            BuildRecord(
                images=(APP,),
                manifests=Manifests(digest("b")),
                content_id=digest("c"),
                platforms=(AMD64,),
                bases=(base,),
                resolved_at=at,
                built_at=at,
                duration_s=1.0,
                task_id=task.task_id,
            )
        )
    connection.close()
    return task.task_id


class TestTheText:
    def test_has_what_it_takes_to_be_read_by_prometheus(self) -> None:
        families = {
            family.name: family for family in text_string_to_metric_families(Metrics().render().decode())
        }

        assert families["tracker_runs"].type == "counter"
        assert families["tracker_run_duration_seconds"].type == "histogram"
        assert all(family.documentation for family in families.values())

    def test_counts_every_end_of_a_run_from_zero(self) -> None:
        metrics = Metrics()

        assert value(metrics, "tracker_runs_total", cause="base-image", status="Failed") == 0
        assert value(metrics, "tracker_runs_total", cause="base-image", status="Running") is None

    def test_counts_every_end_of_an_event_from_zero(self) -> None:
        metrics = Metrics()

        counts = [
            value(metrics, "tracker_events_total", source="distribution", result=r) for r in EventResult
        ]
        assert counts == [0] * len(EventResult)

    def test_counts_every_result_of_a_registry_from_its_first_check(self) -> None:
        metrics = Metrics()

        metrics.checked("quay.io", CheckResult.UNCHANGED, 0.1)

        assert value(metrics, "tracker_checks_total", registry="quay.io", result="unavailable") == 0
        assert value(metrics, "tracker_checks_total", registry="quay.io", result="unchanged") == 1

    def test_counts_a_check_at_a_registry_whose_requests_were_counted_first(self) -> None:
        metrics = Metrics()

        metrics.requested(RequestSeen("quay.io", "HEAD", 200, 0.1))
        metrics.checked("quay.io", CheckResult.UNCHANGED, 0.1)

        assert value(metrics, "tracker_checks_total", registry="quay.io", result="unavailable") == 0

    def test_says_how_long_runs_took_in_seconds(self) -> None:
        metrics = Metrics()

        metrics.run_finished(Cause.BASE_IMAGE, Status.SUCCEEDED, 42.0)

        assert value(metrics, "tracker_run_duration_seconds_sum", cause="base-image") == 42

    def test_leaves_out_the_budget_of_a_registry_that_names_none(self) -> None:
        metrics = Metrics()

        metrics.show(StateRead(budgets={"docker.io": (7, None)}))

        assert value(metrics, "tracker_registry_budget_remaining", registry="docker.io") == 7
        assert value(metrics, "tracker_registry_budget_limit", registry="docker.io") is None


class TestLabelsFromOutside:
    def test_name_the_first_registries_and_put_all_others_together(self) -> None:
        metrics = Metrics(registries_most=2)

        for host in ("a.test", "b.test", "c.test", "d.test", "a.test"):
            metrics.checked(host, CheckResult.UNCHANGED, 0.1)

        counts = {
            name: value(metrics, "tracker_checks_total", registry=name, result="unchanged")
            for name in ("a.test", "b.test", "c.test", "other")
        }
        assert counts == {"a.test": 2, "b.test": 1, "c.test": None, "other": 2}

    @given(st.lists(st.text(max_size=20), max_size=60))
    def test_never_make_more_series_than_allowed(self, hosts: list[str]) -> None:
        metrics = Metrics(registries_most=3)

        for host in hosts:
            metrics.checked(host, CheckResult.UNAVAILABLE, 0.1)
            metrics.requested(RequestSeen(host, "HEAD", None, 0.1))
            metrics.show(StateRead(budgets={host: (1, 2)}))

        families = {f.name: f for f in text_string_to_metric_families(metrics.render().decode())}
        for name in ("tracker_checks", "tracker_registry_requests", "tracker_registry_budget_remaining"):
            assert len({sample.labels["registry"] for sample in families[name].samples}) <= 4

    @given(st.none() | st.integers())
    def test_know_a_bounded_number_of_http_codes(self, status: int | None) -> None:
        usual = {code_of(code) for code in (None, *range(1000))}

        assert code_of(status) in usual
        assert len(usual) < 40

    def test_keep_the_codes_that_an_operator_looks_for(self) -> None:
        assert [code_of(code) for code in (200, 429, 503, 418, 599, 999, None)] == [
            "200",
            "429",
            "503",
            "4xx",
            "5xx",
            "other",
            "none",
        ]


class TestTheState:
    def test_counts_images_and_references(self, state: State) -> None:
        record_app(state, NOW)

        read = read_state(state.read(), NOW, {})

        assert (read.tracked, read.watched, read.stale, read.behind_oldest_s) == (1, 1, 0, 0.0)

    def test_says_for_how_long_the_oldest_image_has_been_behind(self, state: State) -> None:
        record_app(state, NOW)
        connection = state.write()
        with immediate(connection):
            moved_at = NOW + timedelta(minutes=1)
            GraphStore(connection).observe(BASE, Manifests(digest("d")), moved_at, Source.POLL)

        read = read_state(state.read(), NOW + timedelta(minutes=11), {})

        assert (read.stale, read.behind_oldest_s) == (1, 600.0)

    def test_says_how_late_the_most_overdue_question_is(self, state: State) -> None:
        record_app(state, NOW)
        connection = state.write()
        with immediate(connection):
            store = GraphStore(connection)
            store.schedule([store.image_id(BASE)], NOW + timedelta(minutes=5))

        assert read_state(state.read(), NOW + timedelta(minutes=4), {}).overdue_s == 0
        assert read_state(state.read(), NOW + timedelta(minutes=7), {}).overdue_s == 120

    def test_tells_runs_that_wait_from_those_that_are_carried_out(self, state: State) -> None:
        task_id = record_app(state, NOW)
        connection = state.write()
        with immediate(connection):
            runs, definition = Runs(connection), Tasks(connection).get(task_id).definition
            runs.add(definition, Cause.QUICK, NOW)
            runs.claim(NOW, "somebody")
            runs.add(definition, Cause.MANUAL, NOW, task_id=task_id)

        read = read_state(state.read(), NOW + timedelta(seconds=30), {})

        assert (read.queued, read.queued_oldest_s, read.running) == (1, 30.0, 1)

    def test_forgets_runs_that_are_over(self, state: State) -> None:
        task_id = record_app(state, NOW)
        connection = state.write()
        with immediate(connection):
            runs = Runs(connection)
            runs.add(Tasks(connection).get(task_id).definition, Cause.QUICK, NOW)
            run = runs.claim(NOW, "somebody")
            assert run is not None
            runs.finish(run, Status.SUCCEEDED, NOW)

        read = read_state(state.read(), NOW, {})

        assert (read.queued, read.queued_oldest_s, read.running) == (0, 0.0, 0)

    def test_counts_events_that_wait(self, state: State) -> None:
        connection = state.write()
        with immediate(connection):
            Inbox(connection).put("distribution", b"{}", NOW)

        assert read_state(state.read(), NOW, {}).letters == 1

    def test_has_the_budgets_that_registries_name(self, state: State) -> None:
        state.write().close()
        budgets = {"docker.io": BudgetLeft(90, 100, 21600, 0.0), "quay.io": BudgetLeft(None, None, None, 0.0)}

        assert read_state(state.read(), NOW, budgets).budgets == {"docker.io": (90, 100)}


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def __call__(self) -> float:
        return self.at_s


class TestAScrape:
    @pytest.fixture
    def opened(self) -> list[int]:
        """The threads in which the database was opened, once for each reading."""
        return []

    @pytest.fixture
    def hand(self) -> Hand:
        return Hand()

    @pytest.fixture
    def make(self, state: State, opened: list[int], hand: Hand) -> Callable[..., Scrape]:
        state.write().close()

        def scrape(takes_s: float = 0.0) -> Scrape:
            def connect():  # type: ignore[no-untyped-def]
                opened.append(threading.get_ident())
                hand.at_s += takes_s
                return state.read()

            return Scrape(Metrics(), connect=connect, budgets=dict, now=lambda: NOW, monotonic=hand)

        return scrape

    @pytest.mark.anyio
    async def test_reads_outside_the_thread_of_the_event_loop(
        self, make: Callable[..., Scrape], opened: list[int]
    ) -> None:
        await make().text()

        assert len(opened) == 1
        assert opened[0] != threading.get_ident()

    @pytest.mark.anyio
    async def test_shares_one_reading_with_all_who_ask_at_once(
        self, make: Callable[..., Scrape], opened: list[int]
    ) -> None:
        scrape = make()

        texts = await asyncio.gather(*(scrape.text() for _ in range(20)))

        assert len(opened) == 1
        assert all(b"tracker_images_tracked 0.0" in text for text in texts)

    @pytest.mark.anyio
    async def test_reads_anew_after_a_second(
        self, make: Callable[..., Scrape], opened: list[int], hand: Hand
    ) -> None:
        scrape = make()
        await scrape.text()
        hand.at_s += 0.9
        await scrape.text()
        assert len(opened) == 1
        hand.at_s += 0.2

        await scrape.text()

        assert len(opened) == 2

    @pytest.mark.anyio
    async def test_keeps_a_reading_that_took_long_for_longer(
        self, make: Callable[..., Scrape], opened: list[int], hand: Hand
    ) -> None:
        scrape = make(takes_s=3.0)
        await scrape.text()
        hand.at_s += 29.0
        await scrape.text()
        assert len(opened) == 1
        hand.at_s += 2.0

        await scrape.text()

        assert len(opened) == 2

    @pytest.mark.anyio
    async def test_counts_anew_each_time(self, state: State, hand: Hand) -> None:
        state.write().close()
        metrics = Metrics()
        scrape = Scrape(metrics, connect=state.read, budgets=dict, now=lambda: NOW, monotonic=hand)
        await scrape.text()

        metrics.run_finished(Cause.MANUAL, Status.SUCCEEDED, 1.0)

        assert b'tracker_runs_total{cause="manual",status="Succeeded"} 1.0' in await scrape.text()
