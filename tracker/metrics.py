"""Every metric of the service. Counts what it is told; what the database knows is read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from graph.freshness import Freshness
from rebuild.runs import Cause, Status
from tracker import __version__

_DURATIONS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 3600, 7200)
_BEHIND_S = (10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600)
_ANSWERS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One set of metrics for one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(name, text, labels, registry=self.registry, buckets=tuple(buckets))

        self.build = Gauge("tracker_build_info", "Version.", ["version"], registry=self.registry)
        self.build.labels(__version__).set(1)
        self.checks = counter(
            "tracker_checks_total", "References asked about, by outcome.", "registry", "result"
        )
        self.check_duration = histogram(
            "tracker_check_duration_seconds", "Time to an answer about a reference.", _ANSWERS_S, "registry"
        )
        self.requests = counter(
            "tracker_registry_requests_total", "Requests sent to registries.", "registry", "method", "code"
        )
        self.changes = counter(
            "tracker_observations_changed_total",
            "References seen to point somewhere else, by who brought it.",
            "source",
        )
        self.runs = counter("tracker_runs_total", "Finished runs.", "cause", "status")
        self.run_duration = histogram(
            "tracker_run_duration_seconds", "From claim to outcome of a run.", _DURATIONS_S, "cause"
        )
        self.behind = histogram(
            "tracker_behind_base_seconds",
            "From the move of a base to the rebuilt image, at the end of each rebuild.",
            _BEHIND_S,
        )
        self.wave_makespan = histogram(
            "tracker_wave_makespan_seconds", "From the beginning of a wave to its end.", _DURATIONS_S
        )
        self.events = counter(
            "tracker_events_total", "Push events received, by what came of them.", "source", "result"
        )
        self.last_poll = Gauge(
            "tracker_last_poll_timestamp_seconds",
            "When the last round of questions to registries ended.",
            registry=self.registry,
        )

    def run_finished(self, cause: Cause, status: Status, duration_s: float) -> None:
        self.runs.labels(cause, status).inc()
        self.run_duration.labels(cause).observe(duration_s)

    def render(self) -> bytes:
        """The exposition text. Large graphs take a moment: call it outside the event loop."""
        return generate_latest(self.registry)


class StateMetrics(Collector):
    """What is read anew at each scrape."""

    def __init__(
        self,
        freshness: Callable[[], Freshness],
        queue_depth: Callable[[], int],
        budgets: Callable[[], dict[str, int]],
    ) -> None:
        self._freshness = freshness
        self._queue_depth = queue_depth
        self._budgets = budgets

    def collect(self) -> Iterator[GaugeMetricFamily]:
        state = self._freshness()
        for name, text, value in (
            ("tracker_references_watched", "References that are asked about regularly.", state.watched),
            ("tracker_images_tracked", "Images with a recorded build.", state.tracked),
            ("tracker_images_stale", "Images on a base that has moved.", state.stale),
            (
                "tracker_behind_base_oldest_seconds",
                "Time since the oldest unanswered move of a base.",
                state.oldest_s,
            ),
            ("tracker_queue_depth", "Runs that wait for a worker.", self._queue_depth()),
        ):
            yield GaugeMetricFamily(name, text, value)
        budget = GaugeMetricFamily(
            "tracker_registry_budget_remaining", "Pulls that a registry says are left.", labels=["registry"]
        )
        for registry, left in self._budgets().items():
            budget.add_metric([registry], left)
        yield budget

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())
