"""Fetches an alias source over https: from public addresses, within a time, a size and a few redirects.

The address that was looked at is the one that is connected to, so no name can lead to another one
afterwards. Sends no cookie, no login and no variable of the environment, and uses no proxy.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
from collections.abc import Callable, Iterator
from threading import Thread
from typing import TYPE_CHECKING

from graph.errors import TrackerError, WrongUse
from rebuild.alias_rules import FetchRules
from rebuild.context.fault import masked

if TYPE_CHECKING:
    import httpx

BYTES_MOST = 1 << 20
REDIRECTS_MOST = 5
_BODY_SHOWN = 200
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class SourceUnavailable(TrackerError):
    """A source that cannot be had now, and perhaps another time."""


def fetch_source(url: str, rules: FetchRules) -> bytes:
    """The body that https gives for `url`.

    Raise `WrongUse` for a URL that the rules do not allow, `SourceUnavailable` for one that gives nothing
    now. Neither shows the query of a URL, nor what stands before an `@`.
    """
    import ssl  # here, because almost no file has such a source, and these take long to import

    import httpx

    verified = ssl.create_default_context()
    with httpx.Client(verify=verified, trust_env=False, timeout=rules.timeout_s) as client:
        return _within(rules.timeout_s, lambda: _Fetching(url, client, rules).body(), url)


def is_public(address: Address) -> bool:
    """Whether anybody in the world may be at this address; what is wrapped in another counts, too."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _behind_nat64(address)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _within(timeout_s: float, fetch: Callable[[], bytes], url: str) -> bytes:
    """What `fetch` gives in time. Looking a name up cannot be stopped, so the thread is left to its end."""
    ended: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put(fetch())
        except BaseException as error:  # all of it is for who waits
            ended.put(error)

    Thread(target=run, daemon=True, name="alias source").start()
    try:
        result = ended.get(timeout=timeout_s)
    except queue.Empty:
        raise _unavailable(url, f"it takes longer than {timeout_s:g} s") from None
    if isinstance(result, BaseException):
        raise result
    return result


def _unavailable(url: str, reason: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"alias source {masked(url)!r} cannot be fetched: {masked(reason)}",
        hint="try it again, or put the file into the context and name it there",
    )


class _Fetching:
    """One source, from the URL as it was written to the body, over its redirects."""

    def __init__(self, url: str, client: httpx.Client, rules: FetchRules) -> None:
        self._written = url
        self._client = client
        self._rules = rules

    def body(self) -> bytes:
        import httpx

        try:
            url = self._checked(httpx.URL(self._written))
            for _ in range(REDIRECTS_MOST + 1):
                given = self._asked(url)
                if isinstance(given, bytes):
                    return given
                url = self._checked(given)
        except (httpx.InvalidURL, ValueError) as error:  # ValueError: a name or address that is none
            raise WrongUse(f"alias source {masked(self._written)!r} is not a URL: {error}") from None
        except (httpx.HTTPError, OSError) as error:
            raise self._fault(str(error) or type(error).__name__) from None
        raise self._fault(f"it redirects more than {REDIRECTS_MOST} times")

    def _checked(self, url: httpx.URL) -> httpx.URL:
        import httpx

        shown = masked(str(url))
        if not 0 < (url.port or 443) <= 65535:
            raise httpx.InvalidURL(f"there is no port {url.port}")
        if url.scheme != "https" or not url.host:
            rule = f"alias source {shown!r} is not encrypted on its way"
            raise WrongUse(rule, hint="an alias source is a file, or a URL that begins with https://")
        if url.userinfo:
            rule = f"alias source {shown!r} has a login in it, and none is sent"
            raise WrongUse(rule, hint="put the file into the context and name it there")
        return url

    def _asked(self, url: httpx.URL) -> bytes | httpx.URL:
        """The body, or the URL that it is redirected to; the first address that can be reached gives it."""
        import httpx

        reason = ""
        for address in self._addresses(url):
            try:
                return self._asked_at(url, address)
            except httpx.ConnectError as error:
                reason = str(error)
        raise self._fault(reason)

    def _addresses(self, url: httpx.URL) -> Iterator[Address]:
        port = url.port or 443
        found = socket.getaddrinfo(url.raw_host.decode(), port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found)
        allowed = [each for each in addresses if self._rules.private_addresses or is_public(each)]
        if not allowed:
            rule = f"alias source {masked(str(url))!r} is at {next(iter(addresses))}, a private address"
            hint = "the operator may allow it: private_addresses = true below [alias_sources]"
            raise WrongUse(rule, hint=hint)
        yield from allowed

    def _asked_at(self, url: httpx.URL, address: Address) -> bytes | httpx.URL:
        headers = {
            "Host": url.netloc.decode(),
            "Accept-Encoding": "identity",  # so that nothing small becomes large
            "User-Agent": "tracker",
        }
        with self._client.stream(
            "GET",
            url.copy_with(host=str(address), fragment=None),
            headers=headers,
            extensions={"sni_hostname": url.raw_host.decode()},
        ) as response:
            if response.status_code in _REDIRECTS:
                return url.join(response.headers.get("Location", ""))
            return self._taken(response)

    def _taken(self, response: httpx.Response) -> bytes:
        if not response.is_success:
            said = " ".join(self._read(response, _BODY_SHOWN).decode(errors="replace").split())
            shown = f": {said}" if said and said.isprintable() else ""
            raise self._fault(f"status {response.status_code}{shown}")
        body = self._read(response, BYTES_MOST + 1)
        if len(body) > BYTES_MOST:
            raise WrongUse(f"alias source {masked(self._written)!r} has more than {BYTES_MOST:,} bytes")
        return body

    def _read(self, response: httpx.Response, most: int) -> bytes:
        body = bytearray()
        for piece in response.iter_raw():
            body += piece
            if len(body) >= most:
                break
        return bytes(body[:most])

    def _fault(self, reason: str) -> SourceUnavailable:
        return _unavailable(self._written, reason)
