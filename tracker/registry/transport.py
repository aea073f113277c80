"""How requests reach a server: over which connections, with which trust. Knows no registry and no answer."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx

from graph.record import dataclass
from rebuild.images.registry import RegistryRefused
from tracker.registry.fault import short

KEEP_ALIVE_S = 30.0


@dataclass(frozen=True, slots=True)
class Route:
    """The way to the servers of one registry."""

    tls: ssl.SSLContext | None  # None: plain http
    proxy: httpx.Proxy | None
    connections: int  # kept open at the most


# Makes the connections of one route. What they raise is httpx's, with its causes.
Transport = Callable[[Route], httpx.AsyncBaseTransport]


def few_questions(route: Route) -> httpx.AsyncBaseTransport:
    """httpx's own: imported in a third of the time that aiohttp takes, and half as fast once it is."""
    limits = httpx.Limits(max_keepalive_connections=route.connections, keepalive_expiry=KEEP_ALIVE_S)
    return httpx.AsyncHTTPTransport(verify=route.tls or False, limits=limits, proxy=route.proxy)


@functools.lru_cache(maxsize=64)
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Reading the system's authorities takes tens of milliseconds, so a context is shared."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise RegistryRefused(f"{ca_file}: not a PEM file of certificates: {short(error)}") from None
    return context
