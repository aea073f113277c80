"""Keeps one registry's tokens: which repository has one, which share one, when they end. No HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from urllib.parse import quote

from graph.record import dataclass
from rebuild.images.registry import RegistryRefused, RegistryUnavailable
from rebuild.secrets.secret import Secret
from tracker.registry.credentials import CredentialsError, CredentialsRejected
from tracker.registry.flight import Flights
from tracker.registry.settings import Clock
from tracker.registry.token_server import Grant

REPOSITORIES_MOST = 50
QUERY_MOST = 3_000  # bytes of scopes in one address: servers take 4 to 8 kB with everything else
_SCOPE_FRAME = len("&scope=repository%3A%3Apull")
_MARGIN_S = 5.0

Fetch = Callable[[tuple[str, ...]], Awaitable[Grant]]


@dataclass(frozen=True, slots=True)
class _Held:
    token: Secret
    ends_at: float
    shared: bool


class Tokens:
    """Tokens by repository. Callers that need the same one at the same time share one request."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._batches: dict[str, tuple[str, ...]] = {}
        self._alone: set[str] = set()  # a shared token does not serve these
        self._suspects: set[str] = set()  # a shared request failed: each is asked for itself once
        self._flights: Flights[str] = Flights()

    def prepare(self, repositories: Iterable[str]) -> None:
        """These will be asked for soon: the first that needs a token brings one for its batch."""
        self._batches = {member: batch for batch in in_batches(repositories) for member in batch}

    async def get(self, repository: str) -> Secret:
        # Again, because a shared request may end without a token for this one, which then asks alone.
        for _ in range(3):
            held = self._current(repository)
            if held is not None:
                return held.token
            await self._flights.join(repository, lambda: self._depart(repository))
        raise RegistryUnavailable(f"{repository}: its tokens end before they can be used")

    def reject(self, repository: str, token: Secret, error: str) -> None:
        """The registry did not take the token; `error` is its challenge's word for why, or empty."""
        held = self._held.get(repository)
        if held is None or held.token != token:
            return  # another request has replaced it since
        if held.shared and error != "invalid_token":
            self._alone.add(repository)
            del self._held[repository]
        elif error != "insufficient_scope":  # else it is valid, and a new one would allow no more
            self._held = {name: other for name, other in self._held.items() if other.token != token}

    async def close(self) -> None:
        await self._flights.close()

    def _current(self, repository: str) -> _Held | None:
        held = self._held.get(repository)
        return held if held is not None and held.ends_at > self._clock.monotonic() else None

    def _depart(self, repository: str) -> tuple[Iterable[str], Coroutine[None, None, None]]:
        wanted = self._wanted(repository)
        return wanted, self._bring(wanted)

    def _wanted(self, repository: str) -> tuple[str, ...]:
        single = self._alone | self._suspects
        if repository in single:
            return (repository,)
        batch = self._batches.get(repository, (repository,))
        return tuple(name for name in batch if name not in single and self._current(name) is None)

    async def _bring(self, wanted: tuple[str, ...]) -> None:
        try:
            grant = await self._fetch(wanted)
        except (CredentialsError, CredentialsRejected):
            raise
        except RegistryRefused:
            if len(wanted) == 1:
                self._refused_alone(wanted[0])
                raise
            self._suspects.update(wanted)
            return
        self._keep(wanted, grant)

    def _refused_alone(self, repository: str) -> None:
        if repository in self._suspects:
            self._suspects.discard(repository)
            self._alone.add(repository)

    def _keep(self, wanted: tuple[str, ...], grant: Grant) -> None:
        served = set(wanted)
        if len(wanted) > 1 and grant.repositories is not None:
            served &= grant.repositories
            self._alone.update(set(wanted) - served)
        self._suspects -= served
        margin_s = min(_MARGIN_S, grant.life_s / 10)
        held = _Held(grant.token, self._clock.monotonic() + grant.life_s - margin_s, len(wanted) > 1)
        self._held |= dict.fromkeys(served, held)


def in_batches(repositories: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups that fit one token request, in name order."""
    batches: list[list[str]] = []
    length = 0
    for repository in sorted(set(repositories)):
        own = len(quote(repository, safe="")) + _SCOPE_FRAME
        if not batches or len(batches[-1]) == REPOSITORIES_MOST or length + own > QUERY_MOST:
            batches.append([])
            length = 0
        batches[-1].append(repository)
        length += own
    return [tuple(batch) for batch in batches]
