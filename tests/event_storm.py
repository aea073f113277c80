"""A sender of many signed push events, for a process of its own: `python -m tests.event_storm`.

Reads a `Plan` as JSON from its standard input and prints a `Report` as JSON. It sends when the plan says so,
however slowly it is answered, and counts waiting for a free connection as part of the answer's time. Where
the service goes away it ends, and tells what was acknowledged until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
TICK_S = 0.004
AFTER_S = 30.0  # how long it waits for the last answers


@dataclass(frozen=True)
class Plan:
    """What to send where. Event n names `references[n % len(references)]`, with its digest if it has one."""

    port: int
    path: str
    secret: str
    per_s: int
    seconds: float
    references: list[tuple[str, str | None]]
    connections: int = 64

    @property
    def total(self) -> int:
        return round(self.per_s * self.seconds)

    def body(self, number: int) -> bytes:
        """The number is told too, so that a stored body can be recognised."""
        reference, digest = self.references[number % len(self.references)]
        digest = digest or f"sha256:{number:064x}"
        return json.dumps({"reference": reference, "digest": digest, "number": number}).encode()

    def request(self, number: int) -> bytes:
        body = self.body(number)
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
            f"X-Signature: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass
class Report:
    """What came of it."""

    acknowledged: list[int] = field(default_factory=list)  # the numbers of events answered with 202
    others: dict[str, int] = field(default_factory=dict)  # other answers, by their status
    answer_s: list[float] = field(default_factory=list)  # from the moment when each was to be sent
    sent: int = 0


class _Connection(asyncio.Protocol):
    """One event at a time over one connection."""

    def __init__(self, storm: _Storm) -> None:
        self._storm = storm
        self._transport: asyncio.Transport | None = None
        self._came = b""
        self._going: tuple[int, float] = (0, 0.0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, number: int, request: bytes, due_s: float) -> None:
        assert self._transport is not None
        self._going = number, due_s
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, found, body = self._came.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            self._came = b""
            self._storm.answered(self, int(head[9:12]), *self._going)

    def connection_lost(self, exc: Exception | None) -> None:
        self._storm.ended.set()


def _length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next(int(value) for name, _, value in lines if name == b"content-length")


class _Storm:
    """All connections, and what waits for one."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = [plan.request(number) for number in range(plan.total)]
        self._free: deque[_Connection] = deque()  # all take turns: one that is idle for long is closed
        self._waiting: deque[tuple[int, float]] = deque()
        self.report = Report()
        self.ended = asyncio.Event()  # all is answered, or the service is gone

    async def run(self) -> Report:
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._plan.port)
            for _ in range(self._plan.connections)
        ]
        self._free.extend(connection for _, connection in made)
        await self._send_all(loop)
        for transport, _ in made:
            transport.abort()
        return self.report

    async def _send_all(self, loop: asyncio.AbstractEventLoop) -> None:
        began_s, total = loop.time(), self._plan.total
        while self.report.sent < total and not self.ended.is_set():
            due = min(total, int((loop.time() - began_s) * self._plan.per_s) + 1)
            for number in range(self.report.sent, due):
                self._waiting.append((number, began_s + number / self._plan.per_s))
            self.report.sent = due
            self._give_out()
            await asyncio.sleep(TICK_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), AFTER_S)

    def answered(self, connection: _Connection, status: int, number: int, due_s: float) -> None:
        self.report.answer_s.append(round(asyncio.get_running_loop().time() - due_s, 5))
        if status == 202:
            self.report.acknowledged.append(number)
        else:
            self.report.others[str(status)] = self.report.others.get(str(status), 0) + 1
        if len(self.report.answer_s) == self._plan.total:
            self.ended.set()
        self._free.append(connection)
        self._give_out()

    def _give_out(self) -> None:
        while self._waiting and self._free and not self.ended.is_set():
            number, due_s = self._waiting.popleft()
            self._free.popleft().send(number, self._requests[number], due_s)


class Sender:
    """The process, and what it told at its end."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.event_storm"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # somebody else's work, for the scheduler too
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(plan)).encode())
        self._process.stdin.close()
        self._process.stdin = None

    def report(self, timeout_s: float) -> Report:
        """Wait for its end."""
        out, _ = self._process.communicate(timeout=timeout_s)
        assert self._process.returncode == 0, "the sender of events failed"
        return Report(**json.loads(out))

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def numbers_in(payloads: Iterator[bytes] | list[bytes]) -> set[int]:
    """The numbers of the events in stored bodies."""
    return {json.loads(payload)["number"] for payload in payloads}


def main() -> None:
    plan = Plan(**json.load(sys.stdin))
    print(json.dumps(asdict(asyncio.run(_Storm(plan).run()))))


if __name__ == "__main__":
    main()
