"""Asks a service by its API: JSON there and back, and answers that are streams. Prints nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from graph.errors import TrackerError, WrongUse
from graph.record import dataclass
from rebuild.secrets.secret import Secret
from tracker import __version__
from tracker.remote.address import Address
from tracker.remote.asked_json import quoted as quoted
from tracker.remote.wire import open_connection

ANSWER_BYTES_MOST = 256 * 1024 * 1024
TIMEOUT_S = 60.0
_API = "/api/v1"
# What broke the connection, or never made one; asking again may do.
BROKEN = (OSError, http.client.HTTPException)


class Unreachable(TrackerError):
    """The service did not answer."""


class Refused(TrackerError):
    """The service answered that it will not, or cannot; `status` is that of HTTP."""

    def __init__(self, message: str, status: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status

    @property
    def may_pass(self) -> bool:
        """Whether the same question may be answered later."""
        return self.status in (429, 502, 503, 504)


class AskedWrongly(Refused, WrongUse):
    """The service answered that what was asked for has to change."""


@dataclass(frozen=True, slots=True)
class Client:
    """One service."""

    address: Address
    token: Secret | None = None
    ca_file: Path | None = None

    def get(self, path: str, **query: object) -> Any:
        return self.ask("GET", path_with(path, query))

    def post(self, path: str, body: object = None) -> Any:
        return self.ask("POST", path, body)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON. Raises `Unreachable`, `Refused` and `AskedWrongly`."""
        content = None if body is None else json.dumps(body).encode()
        try:
            with self.open(method, path, content) as answer:
                told = _whole(answer)
                return json.loads(told) if told else None
        except BROKEN as error:
            raise self.unreachable(error) from error
        except ValueError as error:
            raise Unreachable(f"{self.address} answered what is no JSON", hint=_NOT_OURS) from error

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Iterator[http.client.HTTPResponse]:
        """An answer that is no error, still to be read. Raises `BROKEN`, `Refused` and `AskedWrongly`."""
        connection = self.connection(timeout_s)
        with contextlib.closing(connection):
            connection.request(method, self.target(path), body, self._headers(body, headers))
            with contextlib.closing(connection.getresponse()) as answer:
                check(answer)
                yield answer

    def connection(self, timeout_s: float = TIMEOUT_S) -> http.client.HTTPConnection:
        return open_connection(self.address, timeout_s=timeout_s, ca_file=self.ca_file)

    def target(self, path: str) -> str:
        return f"{getattr(self.address, 'prefix', '')}{_API}{path}"

    def authorization(self) -> dict[str, str]:
        """The one place where the token leaves."""
        return {"Authorization": f"Bearer {self.token.reveal()}"} if self.token else {}

    def unreachable(self, error: Exception) -> Unreachable:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        hint = "is the service running, and the address right? --server and TRACKER_SERVER name it"
        return Unreachable(f"{self.address} does not answer: {reason}", hint=hint)

    def _headers(self, body: bytes | None, more: Mapping[str, str] | None) -> dict[str, str]:
        kind = {"Content-Type": "application/json"} if body is not None else {}
        agent = {"User-Agent": f"tracker/{__version__}"}
        return {**agent, **kind, **self.authorization(), **(more or {})}


_NOT_OURS = "is this the address of a tracker service, or of something before it?"


def path_with(path: str, query: Mapping[str, object]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def check(answer: http.client.HTTPResponse) -> None:
    """Raise what an error of the service says."""
    if answer.status < 300:
        return
    if answer.status < 400:  # not followed: the token is for the address that somebody named
        elsewhere = (answer.getheader("location") or "nowhere")[:200]
        raise Refused(
            f"the service sends on to {elsewhere!r}",
            answer.status,
            hint="if that is the service, name that address with --server, without /api/v1 and what follows",
        )
    try:
        told = json.loads(_whole(answer))
        message, hint = str(told["error"]), told.get("hint")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, hint = f"the service answered {answer.status} {answer.reason}", _NOT_OURS
    kind = AskedWrongly if answer.status in (400, 401, 403, 413, 422) else Refused
    raise kind(message, answer.status, hint=hint)


def _whole(answer: http.client.HTTPResponse) -> bytes:
    content = answer.read(ANSWER_BYTES_MOST + 1)
    if len(content) > ANSWER_BYTES_MOST:
        raise http.client.HTTPException(f"an answer of more than {ANSWER_BYTES_MOST} bytes")
    return content
