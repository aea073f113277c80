"""When a repository is asked again, and what its answers say of its webhooks. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime, timedelta

from graph.record import dataclass
from rebuild.sources.repositories import Watched
from rebuild.sources.wishes import Asked, Effect

RELIABLE_FROM = 2  # changes in a row that webhooks had told before
FAILURE_FIRST_S = 30.0  # the pause after a failure; doubles
FAILURE_MOST_S = 3600.0
TOO_OFTEN_S = 300.0  # the shortest pause after a host said that it is asked too often


@dataclass(frozen=True, slots=True)
class PollRules:
    """Whether and how often repositories are asked, and how evenly that is spread."""

    enabled: bool = True
    usual_s: float = 300.0
    with_webhooks_s: float = 3600.0
    by_host_s: Mapping[str, float] = field(default_factory=dict)
    jitter: float = 0.1  # each interval is this part longer or shorter, by chance

    def of(self, watched: Watched) -> float:
        usual_s = self.of_host(watched.host)
        return max(usual_s, self.with_webhooks_s) if watched.confirmed >= RELIABLE_FROM else usual_s

    def of_host(self, host: str) -> float:
        """The interval where no webhooks have proved reliable."""
        return self.by_host_s.get(host, self.usual_s)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a look says of the webhooks of a repository: `confirmed` in a row so far, `missed` this time."""

    confirmed: int
    missed: int


def next_due(
    watched: Watched, rules: PollRules, at: datetime, chance: Callable[[], float] = random.random
) -> datetime:
    """When to ask again after an answer."""
    return at + timedelta(seconds=_spread(rules.of(watched), rules, chance))


def due_after_start(
    host: str, rules: PollRules, at: datetime, chance: Callable[[], float] = random.random
) -> datetime:
    """When to ask again at the latest after a start: nobody has heard webhooks meanwhile, and the settings
    may be others."""
    return at + timedelta(seconds=rules.of_host(host) * chance())


def due_after_failure(
    failures: int,
    rules: PollRules,
    at: datetime,
    *,
    too_often: bool = False,
    chance: Callable[[], float] = random.random,
) -> datetime:
    """When to ask again after so many failures before this one."""
    pause_s = min(FAILURE_FIRST_S * 2 ** min(failures, 10), FAILURE_MOST_S)
    return at + timedelta(seconds=_spread(max(pause_s, TOO_OFTEN_S if too_often else 0.0), rules, chance))


def heard(watched: Watched, asked: Iterable[Asked]) -> Heard:
    """A change is missed where webhooks have told the one before it, and not this one."""
    effects: dict[tuple[str, str], set[Effect]] = {}
    for one in asked:
        effects.setdefault((one.subject, one.commit), set()).add(one.effect)
    told = sum(1 for one in effects.values() if Effect.KNOWN in one and Effect.ASKED not in one)
    untold = sum(1 for one in effects.values() if Effect.ASKED in one)
    if untold:
        return Heard(0, untold if watched.confirmed else 0)
    return Heard(watched.confirmed + told, 0)


def as_settled(heads: Mapping[str, str], before: Mapping[str, str], late: Iterable[str]) -> dict[str, str]:
    """What counts as seen. Of `late` refs something newer was heard while the server was being asked: whether
    the answer is older than that or newer the next look will tell, which finds them moved again."""
    settled = dict(heads)
    for ref in late:
        settled.pop(ref, None)
        if ref in before:
            settled[ref] = before[ref]
    return settled


def _spread(seconds: float, rules: PollRules, chance: Callable[[], float]) -> float:
    return seconds * (1 + rules.jitter * (2 * chance() - 1))
