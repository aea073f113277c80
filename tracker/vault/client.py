"""Asks HashiCorp Vault for one key of a secret, by its HTTP API. Keeps a token, never a secret."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from graph.record import dataclass
from rebuild.http_client import HttpClient
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import SecretUnavailable
from tracker.registry.fault import first_cause
from tracker.registry.settings import Clock, Patience
from tracker.vault.answer import (
    BadRequest,
    NoSuchPath,
    Passing,
    TokenRefused,
    bounded,
    object_of,
    read_answer,
    value_of,
)
from tracker.vault.settings import AppRole, VaultSettings

TIMEOUT_S = 10.0
PATIENCE = Patience(attempts=4, total_s=60.0, first_s=0.5, most_s=10.0)
TOKEN_USED_FOR = 0.8  # of its life; then a new one is asked for


@dataclass(slots=True)
class VaultClient:
    """`rebuild.secrets.secret_reader.Vault` over HTTP; use it as `async with`."""

    settings: VaultSettings
    clock: Clock = field(default_factory=Clock)
    patience: Patience = PATIENCE
    timeout_s: float = TIMEOUT_S
    _http: httpx.AsyncClient | None = None
    _token: Secret | None = None
    _token_until: float = 0.0
    _login: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def read(self, path: str, key: str) -> Secret:
        """Raises `SecretUnavailable`."""
        token = await self._valid_token()
        try:
            found = await self._secret(path, token)
        except TokenRefused:
            if token == self.settings.identity:
                raise
            self._forget(token)  # it may have been revoked before its time
            found = await self._secret(path, await self._valid_token())
        return value_of(path, key, found)

    async def _secret(self, path: str, token: Secret) -> dict[str, Any]:
        mount, version = await self._mount_of(path, token)
        if version != "2":
            return object_of((await self._ask("GET", path, token)).get("data"), path)
        answer = await self._ask("GET", f"{mount}data/{path.removeprefix(mount)}", token)
        return object_of(object_of(answer.get("data"), path).get("data"), path)

    async def _mount_of(self, path: str, token: Secret) -> tuple[str, str]:
        """Where the engine that has the path is mounted, and its version; asked as the vault command does."""
        try:
            answer = await self._ask("GET", f"sys/internal/ui/mounts/{path}", token)
        except NoSuchPath:
            return f"{path.partition('/')[0]}/", "1"  # a Vault older than 0.10
        found = object_of(answer.get("data"), path)
        mount = found.get("path")
        if not isinstance(mount, str) or not f"{path}/".startswith(mount):
            raise SecretUnavailable("Vault names a mount that the path is not in")
        return mount, str((found.get("options") or {}).get("version") or "1")

    async def _valid_token(self) -> Secret:
        identity = self.settings.identity
        if isinstance(identity, Secret):
            return identity
        async with self._login:
            if self._token is None or self.clock.monotonic() >= self._token_until:
                self._token = await self._log_in(identity)
            return self._token

    def _forget(self, token: Secret) -> None:
        if self._token == token:
            self._token = None

    async def _log_in(self, role: AppRole) -> Secret:
        body = {"role_id": role.role_id, "secret_id": role.secret_id.reveal()}
        asked_at = self.clock.monotonic()
        try:
            answer = await self._ask("POST", f"auth/{role.mount}/login", None, body)
        except (TokenRefused, NoSuchPath, BadRequest) as error:
            raise SecretUnavailable(
                f"Vault does not take the role: {error.message}",
                hint="check VAULT_ROLE_ID and VAULT_SECRET_ID",
            ) from None
        auth = object_of(answer.get("auth"), "auth")
        token, life_s = auth.get("client_token"), auth.get("lease_duration")
        if not isinstance(token, str) or not token:
            raise SecretUnavailable("Vault answered a login without a token")
        life_s = float(life_s) if isinstance(life_s, int) and life_s > 0 else 3600.0
        self._token_until = asked_at + TOKEN_USED_FOR * life_s
        return Secret(token)

    async def _ask(
        self, method: str, path: str, token: Secret | None, body: dict[str, str] | None = None
    ) -> dict[str, Any]:
        retrying = AsyncRetrying(
            sleep=self.clock.sleep,
            stop=stop_after_attempt(self.patience.attempts),
            wait=wait_random_exponential(multiplier=self.patience.first_s, max=self.patience.most_s),
            retry=retry_if_exception_type(Passing),
            reraise=True,
        )
        return await retrying(self._ask_once, method, path, token, body)

    async def _ask_once(
        self, method: str, path: str, token: Secret | None, body: dict[str, str] | None
    ) -> dict[str, Any]:
        headers = {"X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = token.reveal()
        if self.settings.namespace:
            headers["X-Vault-Namespace"] = self.settings.namespace
        url = f"{self.settings.address}/v1/{quote(path)}"
        try:
            async with asyncio.timeout(self.timeout_s):
                async with self._client().stream(method, url, headers=headers, json=body) as answer:
                    return read_answer(answer.status_code, await bounded(answer))
        except (httpx.TransportError, TimeoutError) as error:
            if fault := first_cause(error, ssl.SSLCertVerificationError):
                raise SecretUnavailable(
                    f"Vault at {self.settings.address} is not trusted: {fault.verify_message}",
                    hint="name the authority of its certificate in VAULT_CACERT, and the host as it has it",
                ) from None
            why = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise Passing(f"Vault at {self.settings.address}: {why}", hint="is VAULT_ADDR right?") from None

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            # No redirects: the token would go along to another host. A standby forwards by itself.
            self._http = HttpClient(verify=self._trust(), timeout=self.timeout_s, trust_env=False)
        return self._http

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.settings.ca_file is not None:
            try:
                context.load_verify_locations(self.settings.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise SecretUnavailable(
                    f"VAULT_CACERT {self.settings.ca_file}: {error}", hint="name a PEM file"
                ) from None
        return context
