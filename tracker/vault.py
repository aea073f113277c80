"""Asks HashiCorp Vault for one key of a secret, by its HTTP API. Keeps a token, never a secret."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from graph.errors import WrongUse
from rebuild.secret import Secret
from rebuild.secret_reader import SECRET_BYTES_MOST, SecretUnavailable
from tracker.registry.hosts import is_loopback
from tracker.registry.settings import Clock, Patience

ANSWER_BYTES_MOST = 1024 * 1024
TIMEOUT_S = 10.0
PATIENCE = Patience(attempts=4, total_s=60.0, first_s=0.5, most_s=10.0)
TOKEN_USED_FOR = 0.8  # of its life; then a new one is asked for


class VaultSettingsWrong(WrongUse):
    """The variables that say where Vault is and who we are there do not fit together."""


class _Passing(SecretUnavailable):
    """Worth asking again."""


class _TokenRefused(SecretUnavailable):
    """403: the token has expired, or its policy does not allow this."""


class _NoSuchPath(SecretUnavailable):
    """404."""


class _BadRequest(SecretUnavailable):
    """400, which a login with a wrong role gets."""


@dataclass(frozen=True, slots=True)
class AppRole:
    role_id: str
    secret_id: Secret
    mount: str = "approle"


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """Where Vault is, and either a token or a role to log in with."""

    address: str
    identity: Secret | AppRole
    namespace: str | None = None
    ca_file: Path | None = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> VaultSettings | None:
        """By Vault's own variables; token and secret id may also be the systemd credentials `vault-token` and
        `vault-secret-id`. None without VAULT_ADDR. Raises `VaultSettingsWrong`."""
        address = environment.get("VAULT_ADDR")
        if not address:
            return None
        ca_file = environment.get("VAULT_CACERT")
        return cls(
            _checked(address.rstrip("/")),
            _identity(environment),
            environment.get("VAULT_NAMESPACE") or None,
            Path(ca_file) if ca_file else None,
        )


def _checked(address: str) -> str:
    try:
        url = httpx.URL(address)
        host, scheme = url.host, url.scheme
    except httpx.InvalidURL:
        host = scheme = ""
    if scheme not in ("http", "https") or not host or "@" in address:
        raise VaultSettingsWrong("VAULT_ADDR is not a URL", hint="write https://vault.example.com:8200")
    if scheme == "http" and not is_loopback(host):
        raise VaultSettingsWrong(
            f"VAULT_ADDR {address}: a token would go over plain http",
            hint="write https://, with VAULT_CACERT",
        )
    return address


def _identity(environment: Mapping[str, str]) -> Secret | AppRole:
    token = environment.get("VAULT_TOKEN") or _credential(environment, "vault-token")
    if token:
        return Secret(token)
    role_id = environment.get("VAULT_ROLE_ID")
    secret_id = environment.get("VAULT_SECRET_ID") or _credential(environment, "vault-secret-id")
    if role_id and secret_id:
        return AppRole(role_id, Secret(secret_id))
    raise VaultSettingsWrong(
        "VAULT_ADDR is set, and neither a token nor a role to log in with",
        hint="set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID; or give the credential vault-token",
    )


def _credential(environment: Mapping[str, str], name: str) -> str | None:
    folder = environment.get("CREDENTIALS_DIRECTORY")
    try:
        return Path(folder, name).read_text().strip() if folder else None
    except FileNotFoundError:
        return None


@dataclass(slots=True)
class VaultClient:
    """`rebuild.secret_reader.Vault` over HTTP; use it as `async with`."""

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
        except _TokenRefused:
            if token == self.settings.identity:
                raise
            self._forget(token)  # it may have been revoked before its time
            found = await self._secret(path, await self._valid_token())
        return _value_of(path, key, found)

    async def _secret(self, path: str, token: Secret) -> dict[str, Any]:
        mount, version = await self._mount_of(path, token)
        if version != "2":
            return _object((await self._ask("GET", path, token)).get("data"), path)
        answer = await self._ask("GET", f"{mount}data/{path.removeprefix(mount)}", token)
        return _object(_object(answer.get("data"), path).get("data"), path)

    async def _mount_of(self, path: str, token: Secret) -> tuple[str, str]:
        """Where the engine that has the path is mounted, and its version; asked as the vault command does."""
        try:
            answer = await self._ask("GET", f"sys/internal/ui/mounts/{path}", token)
        except _NoSuchPath:
            return f"{path.partition('/')[0]}/", "1"  # a Vault older than 0.10
        found = _object(answer.get("data"), path)
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
        except (_TokenRefused, _NoSuchPath, _BadRequest) as error:
            raise SecretUnavailable(
                f"Vault does not take the role: {error.message}",
                hint="check VAULT_ROLE_ID and VAULT_SECRET_ID",
            ) from None
        auth = _object(answer.get("auth"), "auth")
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
            retry=retry_if_exception_type(_Passing),
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
                    return _read(answer.status_code, await _bounded(answer))
        except (httpx.TransportError, TimeoutError) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise _Passing(f"Vault at {self.settings.address}: {why}", hint="is VAULT_ADDR right?") from None

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            # No redirects: the token would go along to another host. A standby forwards by itself.
            self._http = httpx.AsyncClient(verify=self._trust(), timeout=self.timeout_s, trust_env=False)
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


async def _bounded(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes(64 * 1024):
        body += piece
        if len(body) > ANSWER_BYTES_MOST:
            raise SecretUnavailable(f"Vault's answer is over {ANSWER_BYTES_MOST} bytes")
    return bytes(body)


def _read(status: int, body: bytes) -> dict[str, Any]:
    match status:
        case 200:
            try:
                return _object(json.loads(body), "answer")
            except (ValueError, RecursionError):
                raise _Passing("Vault's answer is not JSON") from None
        case 400:
            raise _BadRequest("Vault refused the request (400)")
        case 403:
            raise _TokenRefused(
                "Vault does not allow it (403)",
                hint="check that the token lives and that its policy has this path",
            )
        case 404:
            raise _NoSuchPath(
                "Vault has no such secret", hint="check the mount and the path with: vault kv get"
            )
        case 503:
            raise _Passing("Vault is sealed or starting (503)", hint="unseal it")
        case _ if status in (412, 429) or status >= 500:
            raise _Passing(f"Vault answered with status {status}")
        case _ if 300 <= status < 400:
            raise SecretUnavailable(
                "Vault redirects to another address", hint="set VAULT_ADDR to that of the active node"
            )
        case _:
            raise SecretUnavailable(f"Vault answered with status {status}")


def _object(found: Any, what: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise SecretUnavailable(f"Vault's answer has no object where {what} should be")
    return found


def _value_of(path: str, key: str, found: dict[str, Any]) -> Secret:
    if key not in found:
        known = ", ".join(sorted(map(str, found)))[:200] or "none"
        raise SecretUnavailable(f"the secret has no key {key!r}", hint=f"it has these: {known}")
    value = found[key]
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text.encode(errors="surrogatepass")) > SECRET_BYTES_MOST:
        raise SecretUnavailable(f"it is over {SECRET_BYTES_MOST} bytes, which no secret may be")
    return Secret(text)
