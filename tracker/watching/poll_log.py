"""What the log says of polling: a line a minute, and one for each kind of trouble. Asks nobody."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import structlog

from graph.record import dataclass
from tracker.metrics import CheckResult
from tracker.watching.watch import Answer, result_of

EVERY_S = 60.0  # where much is watched there is a round every second

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a registry gives instead of answers; when it is down, it does so for all of its references."""

    registry: str
    result: CheckResult


class PollLog:
    """Sums up until it is time for the next line; the first, and trouble that is new, come at once."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._due_at_s = monotonic()
        self._counts: Counter[str] = Counter()
        self._first: dict[Trouble, Answer] = {}
        self._troubled: Counter[Trouble] = Counter()
        self._told: frozenset[Trouble] = frozenset()  # by the lines before

    def note(self, answer: Answer) -> None:
        result = result_of(answer)
        self._counts[str(result)] += 1
        if answer.error is not None:
            trouble = Trouble(answer.watched.reference.registry, result)
            self._first.setdefault(trouble, answer)
            self._troubled[trouble] += 1
            if trouble not in self._told:
                self._due_at_s = self._monotonic()

    def go_on(self) -> None:
        """Say what was noted, if it is time and there is anything."""
        if not self._counts or self._monotonic() < self._due_at_s:
            return
        for trouble, count in self._troubled.items():
            first = self._first[trouble]
            log.warning(
                "no answer about references",
                registry=trouble.registry,
                result=trouble.result,
                count=count,
                first=str(first.watched.reference),
                error=first.error and first.error.message,
            )
        log.info("asked registries", references=self._counts.total(), **self._counts)
        self._told = frozenset(self._troubled)
        self._counts.clear()
        self._first.clear()
        self._troubled.clear()
        self._due_at_s = self._monotonic() + EVERY_S
