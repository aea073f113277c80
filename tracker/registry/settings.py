"""What an operator may say about one registry, and how patiently it is asked. Reads no file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path

from graph.record import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """One registry. `insecure` None means: plain http for loopback hosts, TLS for all others."""

    insecure: bool | None = None  # True: plain http, also for its token server; False: TLS even on loopback
    ca_file: Path | None = None  # PEM, trusted besides the system's authorities; implies TLS
    requests_per_minute: int | None = None  # None: 300 for Docker Hub, as fast as it answers for others
    connections: int = 16
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0  # between two pieces of an answer
    answer_timeout_s: float = 120.0  # for a whole answer, redirects included


@dataclass(frozen=True, slots=True)
class ListLimits:
    """How much of a list of tags is read. What is longer is refused, not cut: the newest may come last."""

    pages: int = 1000
    tags: int = 100_000
    page_bytes: int = 4 * MIB
    total_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest answers that are read, in bytes."""

    manifest: int = 4 * MIB
    config: int = 8 * MIB
    token: int = 1 * MIB
    lists: ListLimits = field(default_factory=ListLimits)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a passing fault is waited out: whichever of attempts and seconds ends first."""

    attempts: int
    total_s: float
    first_s: float = 0.5  # upper end of the first pause; it doubles, and the pause is drawn from below it
    most_s: float = 30.0
    yields: bool = False  # lets those go first that do not, and leaves them the last pulls


POLLING = Patience(attempts=2, total_s=10.0, yields=True)  # the next cycle comes anyway
BUILDING = Patience(attempts=6, total_s=300.0)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as arguments: `monotonic` for spans, `now` for dates that servers write, `sleep` to wait."""

    monotonic: Callable[[], float] = field(default=time.monotonic)
    now: Callable[[], datetime] = field(default=_utc_now)
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One HTTP request that was sent for a registry, its token server and redirects included."""

    registry: str
    method: str
    status: int | None  # None: no answer came
    seconds: float


OnRequest = Callable[[RequestSeen], None]
