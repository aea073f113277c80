"""Which references are due, asking registries about them, and what an answer means. Writes nothing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta

from graph.model import Manifests
from graph.observing import Watched
from graph.record import dataclass
from graph.reference import Digest, ImageRef
from rebuild.images.registry import NotFound, RateLimited, RegistryError, RegistryRefused
from tracker.metrics import CheckResult, Metrics
from tracker.registry import RegistryClient
from tracker.watching.event_path import places_of

ASKERS_A_REGISTRY = 32  # the client holds fewer connections; the others wait for one
BATCH_MOST = 100
FAILURE_FIRST_S = 30.0  # the pause after a failed question; doubles, up to the interval


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question. Unchanged: `manifests` and `error` are None."""

    watched: Watched
    at: datetime
    manifests: Manifests | None = None
    error: RegistryError | None = None

    @property
    def digest(self) -> Digest | None:
        """What the registry says that the reference points to; None where it did not say."""
        if self.error is not None:
            return None
        return self.manifests.digest if self.manifests else self.watched.observed


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often each registry is asked, and how evenly that is spread."""

    usual_s: float = 300.0
    by_registry_s: Mapping[str, float] = field(default_factory=lambda: {"docker.io": 900.0})
    jitter: float = 0.1  # each interval is this part longer or shorter, by chance
    sweep_s: float = 6 * 3600.0  # the longest to which an interval is stretched
    # By place, how often an interval is doubled there: whoever judges events keeps it up to date.
    doublings: Mapping[str, int] = field(default_factory=dict, repr=False)

    def of(self, registry: str) -> float:
        """The usual one."""
        return self.by_registry_s.get(registry, self.usual_s)

    def at_present(self, reference: ImageRef) -> float:
        """Longer than the usual one where events prove reliable."""
        doublings = max(self.doublings.get(place, 0) for place in places_of(reference))
        return self.stretched(reference.registry, doublings)

    def longest_of(self, registry: str) -> float:
        """The longest one of any reference of the registry."""
        inside = (many for place, many in self.doublings.items() if f"{place}/".startswith(f"{registry}/"))
        return self.stretched(registry, max(inside, default=0))

    def stretched(self, registry: str, doublings: int) -> float:
        usual_s = self.of(registry)
        return max(usual_s, min(self.sweep_s, usual_s * 2.0**doublings))

    @property
    def unstretched(self) -> Intervals:
        """For what no event tells of."""
        return replace(self, doublings={})


def next_due(answer: Answer, intervals: Intervals, chance: Callable[[], float] = random.random) -> datetime:
    """When to ask again: after an interval; after a failure sooner, unless the registry named a time."""
    reference, error = answer.watched.reference, answer.error
    is_passing = error is not None and not isinstance(error, RegistryRefused)
    interval_s = intervals.of(reference.registry) if is_passing else intervals.at_present(reference)
    pause_s = interval_s * (1 + intervals.jitter * (2 * chance() - 1))
    if is_passing:
        first_s = min(FAILURE_FIRST_S, interval_s)
        pause_s = min(first_s * 2 ** min(answer.watched.failures, 10), pause_s)
    if isinstance(error, RateLimited) and error.retry_after_s is not None:
        pause_s = max(pause_s, error.retry_after_s)
    return answer.at + timedelta(seconds=pause_s)


def not_yet(
    watched: Watched, intervals: Intervals, now: datetime, chance: Callable[[], float] = random.random
) -> datetime | None:
    """When to ask instead, for a reference that a build or an event brought an answer for a moment ago."""
    if watched.checked_at is None:
        return None
    age_s = (now - watched.checked_at).total_seconds()
    usual_s = intervals.of(watched.reference.registry)  # what is due in spite of a longer one was called
    if age_s >= usual_s * (1 - intervals.jitter) or watched.failures:
        return None
    interval_s = intervals.at_present(watched.reference)
    return watched.checked_at + timedelta(seconds=interval_s * (1 + intervals.jitter * (2 * chance() - 1)))


class Asker:
    """Asks about many references at once; the client's budgets set the pace for each registry."""

    def __init__(self, client: RegistryClient, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._client = client
        self._metrics = metrics
        self._now = now

    def low_registries(self) -> set[str]:
        """Those that grant so little more that the order of questions matters."""
        return {registry for registry, left in self._client.budgets().items() if left.is_scarce}

    async def ask_all(self, references: Sequence[Watched]) -> AsyncGenerator[list[Answer], None]:
        """Answers as they come, gathered in batches so that one transaction serves many.

        Each registry has its own askers: one that is slow, or lets us in rarely, holds up no other.
        """
        self._client.prepare(watched.reference for watched in references)
        answers: asyncio.Queue[Answer | Exception] = asyncio.Queue()
        askers = [
            asyncio.create_task(self._ask_each(waiting, answers))
            for waiting in by_registry(references)
            for _ in range(ASKERS_A_REGISTRY)
        ]
        try:
            outstanding = len(references)
            while outstanding:
                batch = [_answered(await answers.get())]
                while len(batch) < BATCH_MOST and not answers.empty():
                    batch.append(_answered(answers.get_nowait()))
                outstanding -= len(batch)
                yield batch
        finally:
            for asker in askers:
                asker.cancel()

    async def _ask_each(self, waiting: Iterator[Watched], answers: asyncio.Queue[Answer | Exception]) -> None:
        for watched in waiting:  # shared with the other askers of the registry
            try:
                answers.put_nowait(await self.ask(watched))
            except Exception as defect:  # raised where the answer is waited for, or that would never end
                answers.put_nowait(defect)

    async def ask(self, watched: Watched) -> Answer:
        """One HEAD, and one GET more where an index moved."""
        started_s = time.perf_counter()
        answer = await self._ask(watched)
        duration_s = time.perf_counter() - started_s
        self._metrics.checked(watched.reference.registry, result_of(answer), duration_s)
        return answer

    async def _ask(self, watched: Watched) -> Answer:
        at = self._now()  # before asking: what a push writes meanwhile is newer than this answer
        try:
            digest = await self._client.digest(watched.reference, known=watched.observed)
            if digest == watched.observed:
                return Answer(watched, at)
            return Answer(watched, at, await self._client.manifests(watched.reference, digest))
        except RegistryError as error:
            return Answer(watched, at, error=error)


def _answered(given: Answer | Exception) -> Answer:
    if isinstance(given, Exception):
        raise given
    return given


def by_registry(references: Sequence[Watched]) -> list[Iterator[Watched]]:
    """The references of each registry, to be drawn from by several askers."""
    grouped: dict[str, list[Watched]] = {}
    for watched in references:
        grouped.setdefault(watched.reference.registry, []).append(watched)
    return [iter(group) for group in grouped.values()]


def result_of(answer: Answer) -> CheckResult:
    """One word for metrics and people."""
    if answer.error is not None:
        return result_of_error(answer.error)
    return CheckResult.UNCHANGED if answer.manifests is None else CheckResult.CHANGED


def result_of_error(error: RegistryError) -> CheckResult:
    match error:
        case NotFound():
            return CheckResult.NOT_FOUND
        case RegistryRefused():
            return CheckResult.REFUSED
        case RateLimited():
            return CheckResult.RATE_LIMITED
        case _:
            return CheckResult.UNAVAILABLE
