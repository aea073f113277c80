"""Who we are to one registry, as the header that says so. Learns how it wants to be told by its 401s."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import httpx

from rebuild.images.registry import RegistryRefused
from rebuild.secrets.secret import Secret
from tracker.registry.answers import error_of, is_rate_limit, retry_after_s
from tracker.registry.budget import Budget
from tracker.registry.budgets import ANONYMOUS, account_of
from tracker.registry.challenge import Basic, Bearer, Challenge
from tracker.registry.credentials import Credential, Credentials, CredentialsRejected, Login, basic_header
from tracker.registry.hosts import check_realm
from tracker.registry.settings import Clock, Limits, RegistrySettings
from tracker.registry.token_server import Grant, read_grant, token_request
from tracker.registry.tokens import Tokens
from tracker.registry.wire import Wire


class Identity:
    """One registry's `Authorization`. Credentials that were refused once are not sent again."""

    def __init__(
        self,
        registry: str,
        settings: RegistrySettings,
        *,
        credentials: Credentials,
        wire: Wire,
        budget: Callable[[], Budget],
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._credentials = credentials
        self._wire = wire
        self._budget = budget
        self._limits = limits
        self._clock = clock
        self._scheme: Challenge | None = None
        self._realm = httpx.URL()
        self._basic: Secret | None = None
        self._rejected: Credential | None = None
        self._tokens = Tokens(self._fetch, clock)
        self.account = ANONYMOUS  # until the registry asks who we are

    def prepare(self, repositories: Iterable[str]) -> None:
        self._tokens.prepare(repositories)

    async def header(self, repository: str) -> Secret | None:
        """None while the registry has not asked who we are."""
        match self._scheme:
            case None:
                return None
            case Basic():
                return self._basic or await self._basic_again()
            case Bearer():
                return _bearer(await self._tokens.get(repository))

    async def renew(
        self, repository: str, challenges: tuple[Challenge, ...], refused: Secret | None
    ) -> Secret:
        """The header to try after a 401 on `refused`; the same one where another would not help.

        Raises `RegistryRefused` where there is none to try.
        """
        if not challenges:
            raise RegistryRefused(f"{self._registry}: it asks for a login that is neither Basic nor Bearer")
        self._learn(challenges[0])
        match challenges[0]:
            case Basic():
                return await self._basic_after(refused)
            case Bearer(error=error):
                if refused is not None:
                    token = Secret(refused.reveal().removeprefix("Bearer "))
                    self._tokens.reject(repository, token, error)
                return _bearer(await self._tokens.get(repository))

    async def close(self) -> None:
        await self._tokens.close()

    def _learn(self, challenge: Challenge) -> None:
        if isinstance(challenge, Bearer):
            challenge = Bearer(challenge.realm, challenge.service)
        if challenge == self._scheme:
            return
        if isinstance(challenge, Bearer):
            self._realm = check_realm(self._registry, challenge.realm, self._settings)
        self._scheme = challenge

    async def _basic_after(self, refused: Secret | None) -> Secret:
        if refused is not None and refused == self._basic:
            self._basic = None
            header = await self._basic_again()
            if header == refused:
                await self._reject()
            return header
        return self._basic or await self._basic_again()

    async def _basic_again(self) -> Secret:
        credential = await self._credential()
        if not isinstance(credential, Login):
            raise RegistryRefused(
                f"{self._registry}: it asks for a user name and a password, and none are known",
                hint=f"log in: tracker login {self._registry}",
            )
        self._basic = Secret(basic_header(credential))
        return self._basic

    async def _credential(self) -> Credential | None:
        credential = await self._credentials.find(self._registry)
        self.account = account_of(credential)
        if credential is not None and credential == self._rejected:
            raise self._rejection()
        return credential

    async def _reject(self) -> None:
        self._basic = None
        self._rejected = await self._credentials.find(self._registry)
        raise self._rejection()

    def _rejection(self) -> CredentialsRejected:
        return CredentialsRejected(
            f"{self._registry}: it refused the stored user name and password",
            hint=f"log in again: tracker login {self._registry}; until then it is not asked with these",
        )

    async def _fetch(self, repositories: tuple[str, ...]) -> Grant:
        assert isinstance(self._scheme, Bearer)
        credential = await self._credential()
        asked = token_request(
            self._realm, self._scheme.service, repositories, credential, limit=self._limits.token
        )
        answer = await self._wire.send(asked)
        if answer.status == 200:
            return read_grant(self._registry, answer, self._clock.now())
        if answer.status == 401 and credential is not None:
            self._rejected = credential
            raise self._rejection()
        pause_s = None
        if is_rate_limit(answer):
            pause_s = self._budget().refused(retry_after_s(answer, self._clock.now()))
        raise error_of(self._registry, asked.what, answer, pause_s=pause_s)


def _bearer(token: Secret) -> Secret:
    return Secret(f"Bearer {token.reveal()}")
