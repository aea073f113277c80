"""The budgets of all accounts at all registries, whoever asks as them. Stores nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from tracker.registry.budget import Budget, Pace
from tracker.registry.credentials import Credential, Login
from tracker.registry.settings import Clock

ANONYMOUS = ""  # the account of whom nobody vouches for


class Budgets:
    """One ledger for all clients of a process: polls and builds that ask as the same account share it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._paces: dict[str, Pace] = {}
        self._kept: dict[tuple[str, str], Budget] = {}

    def of(self, registry: str, account: str, requests_per_minute: int | None) -> Budget:
        """The budget of an account; the pace counts when the registry is first asked for."""
        kept = self._kept.get((registry, account))
        if kept is None:
            pace = self._paces.setdefault(registry, Pace(requests_per_minute, self._clock))
            kept = self._kept[registry, account] = Budget(registry, None, self._clock, pace=pace)
        return kept

    def all(self) -> Iterator[tuple[str, str, Budget]]:
        """Registry, account and budget."""
        yield from ((registry, account, budget) for (registry, account), budget in self._kept.items())


def account_of(credential: Credential | None) -> str:
    """A name for who asks, by which nobody can ask."""
    if credential is None:
        return ANONYMOUS
    if isinstance(credential, Login):
        return credential.username
    return f"token {hashlib.sha256(credential.token.reveal().encode()).hexdigest()[:12]}"
