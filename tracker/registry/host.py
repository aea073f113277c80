"""Asks one registry and proves who we are to it. Knows paths and statuses, not what manifests mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rebuild.secrets.secret import Secret
from tracker.registry.answers import error_of, is_rate_limit, retry_after_s
from tracker.registry.budget import Budget
from tracker.registry.budgets import Budgets
from tracker.registry.challenge import read_challenges
from tracker.registry.credentials import Credentials
from tracker.registry.heads import Heads
from tracker.registry.hosts import base_url, pace, speaks_plain_http
from tracker.registry.identity import Identity
from tracker.registry.settings import Clock, Limits, OnRequest, RegistrySettings
from tracker.registry.transport import Transport
from tracker.registry.wire import Answer, Asked, Wire


class Host:
    """One registry with its connections, its budget and our identity there."""

    def __init__(
        self,
        registry: str,
        settings: RegistrySettings,
        *,
        credentials: Credentials,
        limits: Limits,
        proxies: Mapping[str, str],
        transport: Transport,
        clock: Clock,
        on_request: OnRequest,
        budgets: Budgets,
    ) -> None:
        self.registry = registry
        self._base = base_url(registry, settings)
        self._is_plain = speaks_plain_http(registry, settings)
        self._clock = clock
        self._budgets = budgets
        self._pace = pace(registry, settings)
        self._wire = Wire(
            registry,
            settings,
            budget=self.budget,
            proxies=proxies,
            transport=transport,
            clock=clock,
            on_request=on_request,
        )
        self._identity = Identity(
            registry,
            settings,
            credentials=credentials,
            wire=self._wire,
            budget=self.budget,
            limits=limits,
            clock=clock,
        )
        self.heads = Heads(clock)
        self._answered = False
        self._first = asyncio.Lock()

    @property
    def address(self) -> str:
        """The beginning of every URL of the registry."""
        return self._base

    def prepare(self, repositories: Iterable[str]) -> None:
        self._identity.prepare(repositories)

    def budget(self) -> Budget:
        """That of the account which we are known to be by now."""
        return self._budgets.of(self.registry, self._identity.account, self._pace)

    async def close(self) -> None:
        await self._identity.close()
        await self._wire.close()

    async def ask(self, repository: str, asked: Asked) -> Answer:
        """A 200, a 304, or one of `asked.judged`. `asked.url` is the path below the registry's address."""
        asked = replace(asked, url=f"{self._base}{asked.url}")
        if self._answered:
            return await self._ask(repository, asked)
        async with self._first:
            # While nobody knows how the registry wants to be asked, one request finds out for all.
            if not self._answered:
                try:
                    return await self._ask(repository, asked)
                finally:
                    self._answered = True
        return await self._ask(repository, asked)

    async def _ask(self, repository: str, asked: Asked) -> Answer:
        header = await self._identity.header(repository)
        answer = await self._wire.send(_with(asked, header))
        if answer.status == 401 and header is None:  # not a refusal: the question who we are
            answer, header = await self._ask_again(repository, asked, answer, None)
        if answer.status == 401:
            answer, _ = await self._ask_again(repository, asked, answer, header)
        if answer.status in (200, 304):
            self.budget().answered(answer.headers)
            return answer
        if answer.status in asked.judged:
            return answer
        pause_s = None
        if is_rate_limit(answer):
            pause_s = self.budget().refused(retry_after_s(answer, self._clock.now()))
        raise error_of(self.registry, asked.what, answer, pause_s=pause_s, is_plain=self._is_plain)

    async def _ask_again(
        self, repository: str, asked: Asked, answer: Answer, refused: Secret | None
    ) -> tuple[Answer, Secret]:
        challenges = read_challenges(answer.headers.get_list("www-authenticate"))
        header = await self._identity.renew(repository, challenges, refused)
        if header == refused:
            return answer, header
        return await self._wire.send(_with(asked, header)), header


def _with(asked: Asked, header: Secret | None) -> Asked:
    if header is None:
        return asked
    return replace(asked, headers={**asked.headers, "authorization": header.reveal()})
