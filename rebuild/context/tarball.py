"""Downloads an archive over http or https into a file, within the limits. Unpacks nothing.

Private addresses are no different from public ones: contexts lie on intranets. A login goes to the host
that it was given for, and to no other one that it redirects to.
"""

from __future__ import annotations

import hashlib
import ssl
from typing import BinaryIO

import httpx
import tenacity

from graph.reference import Digest
from rebuild.context.fault import ContextError, masked
from rebuild.context.limits import Limits, Meter
from rebuild.context.where import Tarball
from rebuild.http_client import HttpClient
from rebuild.secrets.login import Login, basic_header

_BODY_SHOWN = 200
_REDIRECTS = {301, 302, 303, 307, 308}


class _Passing(ContextError):
    """Another attempt may go better."""


async def download(source: Tarball, into: BinaryIO, meter: Meter) -> Digest:
    """Write what the URL answers to an empty file, and give its digest; errors have the server's words."""
    limits = meter.limits
    async for attempt in tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(limits.attempts),
        wait=tenacity.wait_exponential(multiplier=limits.first_pause_s),
        retry=tenacity.retry_if_exception_type(_Passing),
        reraise=True,
    ):
        with attempt:
            into.seek(0)
            into.truncate()
            seen = await _attempt(source, into, meter)
    return seen


async def _attempt(source: Tarball, into: BinaryIO, meter: Meter) -> Digest:
    limits = meter.limits
    try:
        async with _client(limits) as client:
            url = httpx.URL(source.url, query=source.query.reveal().encode() if source.query else None)
            return await _follow(client, url, source.login, into, meter)
    except httpx.InvalidURL as error:
        raise ContextError(f"context {masked(source.url)!r} is not a URL: {masked(str(error))}") from None
    except httpx.TransportError as error:
        reason = masked(str(error)) or type(error).__name__
        raise _Passing(f"context {masked(source.url)!r} cannot be downloaded: {reason}") from None


def _client(limits: Limits) -> httpx.AsyncClient:
    # Packed is how it is wanted: a server that packs it once more would hide what it is.
    return HttpClient(
        timeout=limits.idle_s,
        verify=ssl.create_default_context(),
        headers={"Accept-Encoding": "identity", "User-Agent": "tracker"},
    )


async def _follow(
    client: httpx.AsyncClient, url: httpx.URL, login: Login | None, into: BinaryIO, meter: Meter
) -> Digest:
    for _ in range(meter.limits.redirects + 1):
        headers = {"Authorization": basic_header(login)} if login else {}
        async with client.stream("GET", url, headers=headers) as answer:
            if answer.status_code not in _REDIRECTS:
                return await _take(answer, into, meter)
            target = url.join(answer.headers.get("Location", ""))
        if target.scheme != "https" and target.scheme != url.scheme:
            raise ContextError(f"context {masked(str(url))!r} redirects from {url.scheme} to {target.scheme}")
        if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
            login = None
        url = target.copy_with(userinfo=b"")
    raise ContextError(f"context {masked(str(url))!r} redirects more than {meter.limits.redirects} times")


async def _take(answer: httpx.Response, into: BinaryIO, meter: Meter) -> Digest:
    if answer.status_code != 200:
        raise await _refusal(answer)
    seen = hashlib.sha256()
    async for piece in answer.aiter_raw():
        meter.transfer(len(piece))
        seen.update(piece)
        into.write(piece)
    return Digest("sha256", seen.hexdigest())


async def _refusal(answer: httpx.Response) -> ContextError:
    """With the beginning of the body: what the server says about it."""
    said = b""
    async for piece in answer.aiter_raw():
        said += piece
        if len(said) > _BODY_SHOWN:
            break
    words = " ".join(masked(said[:_BODY_SHOWN].decode(errors="replace")).split())
    message = f"context {masked(str(answer.url))!r}: the server answers {answer.status_code}"
    kind = _Passing if answer.status_code >= 500 or answer.status_code == 429 else ContextError
    return kind(f"{message}: {words}" if words.isprintable() and words else message)
