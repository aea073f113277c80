"""Posts one body to one address and reads little of the answer. Knows neither messages nor tables."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path

import httpx

from graph.clock import now
from graph.record import dataclass
from rebuild.http_client import HttpClient
from rebuild.secrets.mask import masked
from rebuild.secrets.secret import Secret
from tracker import __version__
from tracker.outbound.address import hidden_parts
from tracker.outbound.delivery import Delivered, Delivery, NotDelivered
from tracker.registry.budget import read_http_date, read_retry_after
from tracker.registry.fault import first_cause, why_no_answer
from tracker.wording import printable

ANSWER_BYTES_MOST = 4096
_WORDS_MOST = 200
_TLS_HINT = "is its certificate from an authority that this machine trusts? See ca_file"
_GONE = 410
_PASSING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is posted. `secrets` are in it, and shown to nobody, whoever repeats them."""

    address: Secret
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[Secret, ...] = ()

    @property
    def hidden(self) -> tuple[Secret, ...]:
        return (*self.secrets, *hidden_parts(self.address))


class Post:
    """Posts parcels. Redirects are not followed: what was written for one host is not for another."""

    def __init__(self) -> None:
        self._trust: dict[Path | None, ssl.SSLContext] = {}

    async def send(self, parcel: Parcel, *, timeout_s: float, ca_file: Path | None = None) -> Delivery:
        """Never longer than `timeout_s`, whatever the receiver does."""
        try:
            async with asyncio.timeout(timeout_s):
                delivery = await self._send(parcel, timeout_s, self._trusting(ca_file))
        except TimeoutError:
            return NotDelivered(f"no answer within {timeout_s:g} s", is_down=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = why_no_answer(error, connect_timeout_s=timeout_s, read_timeout_s=timeout_s)
            hint = _TLS_HINT if first_cause(error, ssl.SSLError) else None
            return NotDelivered(masked(why, parcel.hidden), hint=hint, is_down=True)
        return delivery

    async def _send(self, parcel: Parcel, timeout_s: float, trust: ssl.SSLContext) -> Delivery:
        headers = {"user-agent": f"tracker/{__version__}", "accept-encoding": "identity", **parcel.headers}
        async with (
            HttpClient(verify=trust, timeout=timeout_s, follow_redirects=False) as client,
            client.stream("POST", parcel.address.reveal(), content=parcel.body, headers=headers) as answer,
        ):
            words = await _words_of(answer)
            return delivery_of(answer.status_code, answer.headers, masked(words, parcel.hidden), now())

    def _trusting(self, ca_file: Path | None) -> ssl.SSLContext:
        """Made once: it takes some milliseconds, which the loop waits for."""
        if ca_file not in self._trust:
            context = ssl.create_default_context()
            if ca_file is not None:
                context.load_verify_locations(ca_file)
            self._trust[ca_file] = context
        return self._trust[ca_file]


def delivery_of(status: int, headers: Mapping[str, str], words: str, at: datetime) -> Delivery:
    """What an answer means. Every refusal but 410 may pass, once somebody has mended what is wrong."""
    said = f"HTTP {status}" + (f": {words}" if words else "")
    if 200 <= status < 300:
        return Delivered(said)
    if 300 <= status < 400:
        hint = "redirects are not followed: write the address that it leads to"
        return NotDelivered(f"HTTP {status}, a redirect", hint=hint)
    server_now = read_http_date(headers.get("date")) or at
    asked_s = read_retry_after(headers.get("retry-after"), server_now) if status in _PASSING else None
    return NotDelivered(
        said, retry_after_s=asked_s, is_final=status == _GONE, is_down=status in _PASSING or status >= 500
    )


async def _words_of(answer: httpx.Response) -> str:
    """The beginning of a text; the rest is not waited for."""
    if "text" not in answer.headers.get("content-type", "") and "json" not in answer.headers.get(
        "content-type", ""
    ):
        return ""
    read = bytearray()
    async for piece in answer.aiter_raw():
        read += piece
        if len(read) >= ANSWER_BYTES_MOST:
            break
    return printable(read[:ANSWER_BYTES_MOST].decode(errors="replace"))[:_WORDS_MOST]
