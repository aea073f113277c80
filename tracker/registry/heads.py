"""Whether a registry answers HEAD, by what it did when it was asked so. Sends nothing."""

from __future__ import annotations

import math

from tracker.registry.settings import Clock

AGAIN_S = 3600.0  # what a registry did longer ago says nothing of what it will do
REMEMBERED_MOST = 10_000  # repositories
_NO_SUCH_METHOD = frozenset({405, 501})


class Heads:
    """One registry's. Some proxies and old registries know no HEAD, or leave the digest out of its answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._useless_at = -math.inf
        self._answered_at: dict[str, float] = {}
        self._hidden_at: dict[str, float] = {}

    def are_of_use(self, repository: str) -> bool:
        """Whether to ask by HEAD; by GET, which tells more than is wanted, where not."""
        hidden_at = self._hidden_at.get(repository, -math.inf)
        return not self._is_recent(max(self._useless_at, hidden_at))

    def doubtful(self, repository: str) -> frozenset[int]:
        """The statuses that may be meant for HEAD alone.

        404 is one of them unless a HEAD in that repository was answered lately: what is missing there is
        missing, without a second question.
        """
        is_known = self._is_recent(self._answered_at.get(repository, -math.inf))
        return _NO_SUCH_METHOD if is_known else _NO_SUCH_METHOD | {404}

    def answered(self, repository: str) -> None:
        """A HEAD told what was asked."""
        self._useless_at = -math.inf
        self._hidden_at.pop(repository, None)
        self._remember(self._answered_at, repository)

    def failed(self, repository: str, status: int) -> None:
        """A GET told what a HEAD had not, which was answered with that status.

        Only then: a registry in trouble may answer anything to both.
        """
        if status == 404:
            self._remember(self._hidden_at, repository)
        else:
            self._useless_at = self._clock.monotonic()

    def _remember(self, times: dict[str, float], repository: str) -> None:
        times.pop(repository, None)  # so that the oldest is the first
        times[repository] = self._clock.monotonic()
        if len(times) > REMEMBERED_MOST:
            del times[next(iter(times))]

    def _is_recent(self, at: float) -> bool:
        return self._clock.monotonic() - at < AGAIN_S
