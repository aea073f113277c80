"""Sends one request for one registry and reads a bounded answer. Knows no tokens and no manifests.

The transport is used without httpx's client around it: the client keeps cookies, logs every
address (those of redirects carry signatures) and takes a third of the time of a HEAD.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import field, replace

import httpx

from graph.record import dataclass
from rebuild.images.pause import OnPause
from rebuild.images.registry import RegistryRefused, RegistryUnavailable
from tracker import __version__
from tracker.registry.budget import Budget
from tracker.registry.fault import unavailable
from tracker.registry.hosts import may_redirect, same_origin
from tracker.registry.proxies import proxy_for
from tracker.registry.settings import Clock, OnRequest, RegistrySettings, RequestSeen
from tracker.registry.transport import Route, Transport, tls_context

REDIRECTS_MOST = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_COMMON = {"user-agent": f"base-image-tracker/{__version__}", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `what` is what a message calls its subject; at most `limit` bytes come back."""

    method: str
    url: httpx.URL | str
    what: str
    limit: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # they and the body hold secrets
    body: bytes = field(default=b"", repr=False)
    yields: bool = False  # others go first
    on_pause: OnPause | None = None  # hears of it where the pace of the registry has it wait
    judged: frozenset[int] = frozenset()  # statuses of faults that are for whoever asked to judge


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the whole body."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)  # a token server's is a secret


class Wire:
    """The connections of one registry: its own, its token server's, its storage's."""

    def __init__(
        self,
        registry: str,
        settings: RegistrySettings,
        *,
        budget: Callable[[], Budget],
        proxies: Mapping[str, str],
        transport: Transport,
        clock: Clock,
        on_request: OnRequest,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._budget = budget
        self._proxies = proxies
        self._clock = clock
        self._on_request = on_request
        self._places = asyncio.Semaphore(settings.connections)
        self._make_transport = transport
        self._transports: dict[tuple[bool, httpx.URL | None], httpx.AsyncBaseTransport] = {}
        times = {"connect": settings.connect_timeout_s, "read": settings.read_timeout_s}
        self._extensions = {"timeout": times}

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    async def send(self, asked: Asked) -> Answer:
        """The answer, whatever its status; redirects of GET and HEAD are followed without credentials.

        Raises `RegistryUnavailable` where no answer comes, `RegistryRefused` where one must not be
        taken: too large, or a redirect that loops or leaves TLS.
        """
        async with self._places:
            await self._budget().enter(yields=asked.yields, on_pause=asked.on_pause)
            try:
                async with asyncio.timeout(self._settings.answer_timeout_s):
                    return await self._follow(asked)
            except TimeoutError:
                raise self._unavailable(
                    asked, f"no whole answer within {self._settings.answer_timeout_s:g} s"
                ) from None

    async def _follow(self, asked: Asked) -> Answer:
        for _ in range(1 + REDIRECTS_MOST):
            answer = await self._once(asked)
            if answer.status not in _REDIRECTS or asked.method not in ("GET", "HEAD"):
                return answer
            asked = self._redirected(asked, answer.headers.get("location", ""))
        raise RegistryRefused(f"{self._registry}: {asked.what}: more than {REDIRECTS_MOST} redirects")

    def _redirected(self, asked: Asked, location: str) -> Asked:
        source = httpx.URL(asked.url)
        try:
            target = source.join(location)
        except httpx.InvalidURL:
            raise self._unavailable(asked, "a redirect to something that is no URL") from None
        if not location or not may_redirect(source, target):
            # The whole address may carry a signature; the host is enough to find the cause.
            rule = f"a redirect from https to {target.scheme}://{target.host}, which is not followed"
            raise RegistryRefused(f"{self._registry}: {asked.what}: {rule}")
        headers = asked.headers
        if not same_origin(source, target):
            headers = {name: value for name, value in headers.items() if name != "authorization"}
        return replace(asked, url=target, headers=headers)

    async def _once(self, asked: Asked) -> Answer:
        started = self._clock.monotonic()
        status: int | None = None
        try:
            request = httpx.Request(
                asked.method,
                asked.url,
                headers=_COMMON | dict(asked.headers),
                content=asked.body,
                extensions=self._extensions,
            )
            self._check_port(asked, request.url)
            response = await self._transport(request.url).handle_async_request(request)
            status = response.status_code
            try:
                return Answer(status, response.headers, await self._read(asked, response))
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise unavailable(self._registry, asked.what, error, self._settings) from None
        finally:
            self._on_request(
                RequestSeen(self._registry, asked.method, status, self._clock.monotonic() - started)
            )

    async def _read(self, asked: Asked, response: httpx.Response) -> bytes:
        if asked.method == "HEAD" or response.status_code == 304:
            return b""
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > asked.limit:
                rule = f"the answer is over {asked.limit} bytes, which is the limit"
                raise RegistryRefused(f"{self._registry}: {asked.what}: {rule}")
        return bytes(body)

    def _check_port(self, asked: Asked, url: httpx.URL) -> None:
        """Names, redirects and realms may have any number; what dials it would break in its own way."""
        if url.port is not None and not 0 < url.port < 65536:
            rule = f"{url.host}:{url.port}: a port is 1 to 65535"
            raise RegistryRefused(f"{self._registry}: {asked.what}: {rule}")

    def _unavailable(self, asked: Asked, rule: str) -> RegistryUnavailable:
        return RegistryUnavailable(f"{self._registry}: {asked.what}: {rule}")

    def _transport(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        proxy, secure = proxy_for(url, self._proxies), url.scheme == "https"
        kept = secure, None if proxy is None else proxy.url
        if kept not in self._transports:
            tls = tls_context(self._settings.ca_file) if secure else None
            route = Route(tls, proxy, self._settings.connections)
            self._transports[kept] = self._make_transport(route)
        return self._transports[kept]
