"""Every metric of the service, by name. Counts what it is told and reads nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from graph.record import dataclass
from graph.store import Source
from rebuild.runs.outbox import Kind
from rebuild.runs.table import Cause, Status
from rebuild.tasks.due_timers import Effect
from tracker import __version__
from tracker.registry import RequestSeen

REGISTRIES_MOST = 50  # named in labels; references come from Dockerfiles, so their hosts are anybody's words
_DURATIONS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 3600, 7200, 4 * 3600)
_BEHIND_S = (10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600)
_ANSWERS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_FINE = (200, 201, 202, 206, 301, 302, 303, 304, 307, 308)
_FAULTS = (400, 401, 403, 404, 405, 406, 408, 416, 429, 500, 502, 503, 504)
_CODES = frozenset(_FINE + _FAULTS)


class CheckResult(StrEnum):
    """What came of asking about a reference."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    NOT_FOUND = "not-found"
    REFUSED = "refused"
    RATE_LIMITED = "rate-limited"
    UNAVAILABLE = "unavailable"


class PollResult(StrEnum):
    """What came of asking a repository for its refs."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    REFUSED = "refused"
    RATE_LIMITED = "rate-limited"
    UNAVAILABLE = "unavailable"


class StatusResult(StrEnum):
    """What came of telling a forge the state of a commit."""

    TOLD = "told"
    PUT_OFF = "put-off"
    REFUSED = "refused"
    GIVEN_UP = "given-up"


class EventResult(StrEnum):
    """What came of a push event, or of a body that should have held some."""

    ASKED = "asked"  # it named something watched, and the registry was asked
    KNOWN = "known"  # what it told was known
    OVERTAKEN = "overtaken"  # a later one of the same reference is not settled yet and stands for it
    UNWATCHED = "unwatched"  # nobody stands on what it named
    IRRELEVANT = "irrelevant"  # no push of a tag in it
    REFUSED = "refused"  # the sender may not
    RATE_LIMITED = "rate-limited"  # its sender has sent too many
    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    NOT_STORED = "not-stored"  # another process held the database; the sender tries again


class MessageResult(StrEnum):
    """What came of sending a message once."""

    DELIVERED = "delivered"
    FAILED = "failed"  # it is tried again
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class StateRead:
    """What the database and the registry client knew at one moment; all times in seconds."""

    watched: int = 0
    tracked: int = 0
    stale: int = 0
    pinned: int = 0  # images on a pinned base whose tag has moved
    behind_oldest_s: float = 0.0
    queued: int = 0
    queued_oldest_s: float = 0.0
    running: int = 0
    letters: int = 0  # events that are stored and not dealt with
    interval_s: Mapping[str, float] = field(default_factory=dict)  # of registries that were asked
    overdue_s: float = 0.0  # how late the reference is that should have been asked about first
    messages: int = 0  # to others, that wait to go out
    messages_oldest_s: float = 0.0
    budgets: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)  # pulls left, and of how many


class Named:
    """Lets the first values of a label through and calls all later ones `other`, so that series stay few."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        if value not in self._seen:
            if len(self._seen) >= self._most:
                return "other"
            self._seen.add(value)
        return value


class Metrics:
    """One set of metrics for one service."""

    def __init__(self, registries_most: int = REGISTRIES_MOST) -> None:
        self.registry = CollectorRegistry()
        self._registry_names = Named(registries_most)
        self._host_names = Named(registries_most)
        # A second series for each counter would say when it began; process_start_time_seconds does.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        ProcessCollector(registry=self.registry)
        self._gauge("tracker_build_info", "Version of tracker.", "version").labels(__version__).set(1)
        self._count_registries()
        self._count_work()
        self._count_repositories()
        self._show_state()
        self._begin_at_zero()

    def _count_registries(self) -> None:
        by = "registry"
        self.checks = self._counter(
            "tracker_checks_total", "References asked about, by outcome.", by, "result"
        )
        self.check_duration = self._histogram(
            "tracker_check_duration_seconds", "Time to an answer about a reference.", _ANSWERS_S, by
        )
        self.requests = self._counter(
            "tracker_registry_requests_total", "Requests sent for registries.", by, "method", "code"
        )
        self.changes = self._counter(
            "tracker_observations_changed_total", "References seen to have moved, by who saw it.", "source"
        )
        self.events = self._counter(
            "tracker_events_total", "Push events received, by what came of them.", "source", "result"
        )
        self._missed_events = self._counter(
            "tracker_missed_events_total", "Moves that an event should have told of and did not.", by
        )
        self.last_poll = self._gauge(
            "tracker_last_poll_timestamp_seconds",
            "When answers to scheduled questions were last written down; 0 before the first.",
        )

    def _count_work(self) -> None:
        self.runs = self._counter("tracker_runs_total", "Finished runs.", "cause", "status")
        self.run_duration = self._histogram(
            "tracker_run_duration_seconds", "From claim to outcome of a run.", _DURATIONS_S, "cause"
        )
        self.behind = self._histogram(
            "tracker_behind_base_seconds", "From the move of a base to the end of the rebuild.", _BEHIND_S
        )
        self.wave_makespan = self._histogram(
            "tracker_wave_makespan_seconds", "From the beginning of a wave to its end.", _DURATIONS_S
        )
        self.timers = self._counter(
            "tracker_timers_due_total", "Timers that were due, by what came of them.", "effect"
        )
        self.messages = self._counter(
            "tracker_messages_total",
            "Messages sent to others, by what came of it.",
            "by",
            "result",
        )

    def _count_repositories(self) -> None:
        self.repository_polls = self._counter(
            "tracker_repository_polls_total",
            "Repositories asked for their refs, by outcome.",
            "host",
            "result",
        )
        self.source_events_missed = self._counter(
            "tracker_source_events_missed_total",
            "Changes of repositories that their webhooks should have told and only asking has found.",
        )
        self.commit_statuses = self._counter(
            "tracker_commit_statuses_total", "States of commits that forges were told, by outcome.", "result"
        )
        for result in StatusResult:
            self.commit_statuses.labels(result)

    def _show_state(self) -> None:
        gauge = self._gauge
        self._watched = gauge("tracker_references_watched", "References that are asked about regularly.")
        self._overdue = gauge("tracker_poll_overdue_seconds", "How late the most overdue question is.")
        self._tracked = gauge("tracker_images_tracked", "Images with a recorded build.")
        self._stale = gauge("tracker_images_stale", "Images on a base that has moved.")
        self._pinned = gauge("tracker_images_pinned_behind", "Images on a pinned base whose tag has moved.")
        self._oldest = gauge(
            "tracker_behind_base_oldest_seconds", "Time since the oldest move that is not built upon yet."
        )
        self._queued = gauge("tracker_queue_depth", "Runs that wait for a worker.")
        self._queued_oldest = gauge("tracker_queue_oldest_seconds", "How long the oldest of them has waited.")
        self._running = gauge("tracker_runs_running", "Runs that are being carried out.")
        self._letters = gauge("tracker_inbox_events", "Stored bodies of events that wait to be dealt with.")
        self._messages = gauge("tracker_outbox_messages", "Messages to others that wait to go out.")
        self._messages_oldest = gauge(
            "tracker_outbox_oldest_seconds", "How long the oldest of them has waited."
        )
        self._interval = gauge(
            "tracker_poll_interval_seconds", "The longest interval of any reference now.", "registry"
        )
        self._budget = gauge(
            "tracker_registry_budget_remaining", "Pulls that a registry says are left.", "registry"
        )
        self._budget_limit = gauge(
            "tracker_registry_budget_limit", "Pulls that a registry says it grants.", "registry"
        )

    def _begin_at_zero(self) -> None:
        """A series that begins at 1 shows no increase, so no alert would see the first failure."""
        for cause in Cause:
            for status in filter(lambda status: status.finished, Status):
                self.runs.labels(cause, status)
        self.expect_events_of("distribution")
        for source in (Source.POLL, Source.EVENT):  # what builds see moves nothing
            self.changes.labels(source)
        for effect in Effect:
            self.timers.labels(effect)
        for kind in Kind:
            for message_result in MessageResult:
                self.messages.labels(kind, message_result)

    def expect_events_of(self, source: str) -> None:
        """Begin at zero for this sender too."""
        for result in EventResult:
            self.events.labels(source, result)

    def checked(self, registry: str, result: CheckResult, duration_s: float) -> None:
        """One question about a reference has its answer."""
        name = self._registry_names(registry)
        for each in CheckResult:
            self.checks.labels(name, each).inc(each is result)
        self.check_duration.labels(name).observe(duration_s)

    def repository_polled(self, host: str, result: PollResult) -> None:
        """One repository was asked for its refs."""
        name = self._host_names(host or "local")
        for each in PollResult:
            self.repository_polls.labels(name, each).inc(each is result)

    def missed(self, registry: str) -> None:
        """A reference of the registry moved, and the event that should have told of it did not come."""
        self._missed_events.labels(self._registry_names(registry)).inc()

    def requested(self, seen: RequestSeen) -> None:
        """One HTTP request was sent, and answered or not."""
        self.requests.labels(self._registry_names(seen.registry), seen.method, code_of(seen.status)).inc()

    def run_finished(self, cause: Cause, status: Status, duration_s: float) -> None:
        self.runs.labels(cause, status).inc()
        self.run_duration.labels(cause).observe(duration_s)

    def show(self, state: StateRead) -> None:
        """From now on the gauges say this."""
        for gauge, value in (
            (self._watched, state.watched),
            (self._overdue, state.overdue_s),
            (self._tracked, state.tracked),
            (self._stale, state.stale),
            (self._pinned, state.pinned),
            (self._oldest, state.behind_oldest_s),
            (self._queued, state.queued),
            (self._queued_oldest, state.queued_oldest_s),
            (self._running, state.running),
            (self._letters, state.letters),
            (self._messages, state.messages),
            (self._messages_oldest, state.messages_oldest_s),
        ):
            gauge.set(value)
        for registry, interval_s in state.interval_s.items():
            name = self._registry_names(registry)
            self._interval.labels(name).set(interval_s)
            self._missed_events.labels(name)  # begins at zero
        for registry, (left, limit) in state.budgets.items():
            name = self._registry_names(registry)
            self._budget.labels(name).set(left)
            if limit is not None:
                self._budget_limit.labels(name).set(limit)

    def render(self) -> bytes:
        """The exposition text, as Prometheus reads it."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=tuple(buckets))


def code_of(status: int | None) -> str:
    """The label for an HTTP status: itself where it is usual, else its class; `none` for no answer."""
    if status is None:
        return "none"
    if status in _CODES:
        return str(status)
    return f"{status // 100}xx" if 100 <= status <= 599 else "other"
