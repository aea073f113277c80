"""One request to a forge's API, bounded, with its answer as a value or as one clear fault. Knows no path.

No redirect is followed: the token would go along to whoever it leads to.
"""

from __future__ import annotations

import asyncio
import json
import math
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from graph.record import dataclass
from rebuild.context.where import TOKEN_USER, keeps_secrets
from rebuild.http_client import HttpClient
from rebuild.secrets.login import Login, basic_header
from rebuild.secrets.secret import Secret
from tracker import __version__
from tracker.forges.fault import ForgeError, ForgeRefused, ForgeUnavailable
from tracker.forges.kind import ForgeKind
from tracker.registry.fault import first_cause
from tracker.registry.proxies import proxy_for

TIMEOUT_S = 20.0
ANSWER_BYTES_MOST = 4 * 1024 * 1024
WAIT_MOST_S = 3600.0 * 6  # a forge that says to come back later than this is asked then all the same
_TOKEN_USERS = frozenset({TOKEN_USER, "x-token-auth", "x-oauth-basic", "oauth2", "gitlab-ci-token", "token"})


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of an API. `needs` is what a token must have for it, for those whose token has not."""

    method: str
    url: str
    needs: str
    body: Mapping[str, Any] | None = None
    may_lack: bool = False  # 404 is an answer: there is none


@dataclass(slots=True)
class ForgeClient:
    """HTTP for all forges; use it as `async with`, or close it."""

    ca_files: Mapping[str, Path] = field(default_factory=dict)  # by host, as in settings
    proxies: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S
    epoch: Callable[[], float] = time.time
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def ask(self, kind: ForgeKind, host: str, request: Request, login: Login | None) -> Any:
        """The JSON of the answer, None where it has none. Raises `ForgeRefused`, `ForgeUnavailable`."""
        headers = {"user-agent": f"tracker/{__version__}", "accept": _ACCEPT.get(kind, "application/json")}
        if login is not None:
            if not keeps_secrets(request.url):
                raise ForgeRefused(f"{host}: its API would get the token in the clear", hint="use https")
            headers["authorization"] = authorization(kind, login)
        try:
            async with asyncio.timeout(self.timeout_s):
                client = self._client(host, request.url)
                async with client.stream(
                    request.method, request.url, headers=headers, json=request.body
                ) as answer:
                    content = await _bounded(answer, host)
        except (httpx.RequestError, TimeoutError) as error:
            raise _unreached(host, error, self.timeout_s) from None
        return self._read(host, request, answer, content, login)

    def _client(self, host: str, url: str) -> httpx.AsyncClient:
        if host not in self._clients:
            self._clients[host] = HttpClient(
                verify=_trust(host, self.ca_files.get(host)),
                timeout=self.timeout_s,
                trust_env=False,
                follow_redirects=False,
                proxy=proxy_for(httpx.URL(url), self.proxies),
            )
        return self._clients[host]

    def _read(
        self, host: str, request: Request, answer: httpx.Response, content: bytes, login: Login | None
    ) -> Any:
        if answer.status_code == 404 and request.may_lack:
            return None
        if not answer.is_success:
            raise _fault(host, request, answer, content, login, self.epoch())
        if not content.strip():
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            # Azure answers a token that has expired with the page to sign in, and 203.
            raise ForgeRefused(
                f"{host}: answered {answer.status_code} with something that is not JSON",
                hint=f"is the token still valid? It needs {request.needs}",
            ) from None


_ACCEPT = {ForgeKind.GITHUB: "application/vnd.github+json"}


def authorization(kind: ForgeKind, login: Login) -> str:
    """The header that the forge knows a token by; a user name that is none tells of a lone token."""
    token, is_alone = login.password.reveal(), login.username in _TOKEN_USERS
    match kind:
        case ForgeKind.GITLAB:
            return f"Bearer {token}"
        case ForgeKind.AZURE:
            return basic_header(Login("" if is_alone else login.username, login.password))
        case ForgeKind.GITEA:
            return f"token {token}" if is_alone else basic_header(login)
        case ForgeKind.GITHUB | ForgeKind.BITBUCKET | ForgeKind.BITBUCKET_SERVER | ForgeKind.NONE:
            return f"Bearer {token}" if is_alone else basic_header(login)


def _fault(
    host: str, request: Request, answer: httpx.Response, content: bytes, login: Login | None, at: float
) -> ForgeError:
    said = _said(content, login.password if login else None)
    told = f"{host}: {request.method} answered {answer.status_code}{said}"
    wait_s = _wait_s(answer.headers, at)
    is_limit = answer.status_code == 429 or (answer.status_code == 403 and wait_s is not None)
    if is_limit:
        return ForgeUnavailable(f"{told}: asked too often", retry_after_s=60.0 if wait_s is None else wait_s)
    if answer.status_code >= 500 or answer.status_code == 408:
        return ForgeUnavailable(told, retry_after_s=wait_s)
    if answer.status_code in (401, 403, 404):
        if login is None:
            hint = f"give the task a token with --git-access-token; it needs {request.needs}"
        else:
            hint = f"the token needs {request.needs}"
        return ForgeRefused(told, hint=hint)
    return ForgeRefused(told)


def _wait_s(headers: httpx.Headers, at: float) -> float | None:
    """How long the forge wants to be left alone, where it says so."""
    after = headers.get("retry-after", "").strip()
    if after:
        return _bound_s(_seconds(after, at))
    if headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0":
        reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
        return _bound_s(float(reset) - at) if reset.isascii() and reset.isdigit() else 60.0
    return None


def _seconds(after: str, at: float) -> float:
    if after.isascii() and after.isdigit():
        return float(after)
    try:
        moment = parsedate_to_datetime(after)
    except ValueError:
        return 60.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - at


def _bound_s(seconds: float) -> float:
    return min(max(1.0, seconds if math.isfinite(seconds) else 60.0), WAIT_MOST_S)


def _said(content: bytes, password: Secret | None) -> str:
    """What the answer says in words, without the token."""
    try:
        told = json.loads(content)
        keys = ("message", "error", "error_description") if isinstance(told, dict) else ()
        words = str(next((told[key] for key in keys if told.get(key)), ""))
    except (ValueError, RecursionError):
        return ""
    text = " ".join(words.split())[:200]
    if password:
        text = text.replace(password.reveal(), "***")
    return f" ({text})" if text.isprintable() and text else ""


async def _bounded(answer: httpx.Response, host: str) -> bytes:
    content = b""
    async for piece in answer.aiter_bytes():
        content += piece
        if len(content) > ANSWER_BYTES_MOST:
            raise ForgeRefused(f"{host}: an answer of more than {ANSWER_BYTES_MOST} bytes")
    return content


def _unreached(host: str, error: Exception, timeout_s: float) -> ForgeError:
    if fault := first_cause(error, ssl.SSLCertVerificationError):
        hint = f'name the authority of its certificate: [forges."{host}"] ca_file'
        return ForgeUnavailable(f"{host}: its certificate is not trusted: {fault.verify_message}", hint=hint)
    slow = isinstance(error, TimeoutError | httpx.TimeoutException)
    why = f"no answer within {timeout_s:g} s" if slow else f"no answer ({type(error).__name__})"
    return ForgeUnavailable(f"{host}: {why}")


def _trust(host: str, ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ForgeRefused(
                f'[forges."{host}"] ca_file {ca_file}: {error}', hint="name a PEM file of certificates"
            ) from None
    return context
