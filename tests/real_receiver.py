"""A receiver of messages that is a process of its own, and behaves as the path says that it is asked for."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.real_registry import free_port

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DEADLINE_S = 60.0
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Request:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def delivery(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> object:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """As docs/notifications.md tells receivers to find out."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.{self.body}"
        key = base64.b64decode(secret.removeprefix("whsec_"))
        right = base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).decode()
        return f"v1,{right}" in self.headers["webhook-signature"].split()


@dataclass
class Receiver:
    """What has come to a receiver so far. The beginning of a path says what it does: `/ok`, `/status/N`,
    `/busy/SECONDS`, `/flaky/N` (so often 500), `/redirect`, `/reset`, `/hang`, `/slow`, `/huge`, `/echo`."""

    port: int
    record: Path

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def got(self) -> list[Request]:
        if not self.record.exists():
            return []
        return [Request(**json.loads(line)) for line in self.record.read_text().splitlines()]

    def at(self, path: str) -> list[Request]:
        return [request for request in self.got if request.path == path]


@contextlib.contextmanager
def real_receiver(folder: Path) -> Iterator[Receiver]:
    receiver = Receiver(free_port(), folder / "received.jsonl")
    process = subprocess.Popen(
        [sys.executable, __file__, str(receiver.port), str(receiver.record)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        _wait_for(receiver.port)
        yield receiver
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    ends = time.monotonic() + DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < ends, "the receiver does not start"
            time.sleep(0.02)
        else:
            return


class _Handler(http.server.BaseHTTPRequestHandler):
    record: Path
    flaky: dict[str, int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        told = {
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body,
        }
        with self.record.open("a") as file:
            file.write(json.dumps(told) + "\n")
        behaviour, *rest = self.path.strip("/").split("/")
        getattr(self, f"_{behaviour}")(rest[0] if rest else "")

    def _ok(self, rest: str) -> None:
        self._answer(200, b'{"taken": true}', "application/json")

    def _status(self, number: str) -> None:
        self._answer(int(number), b"as asked", "text/plain")

    def _busy(self, seconds: str) -> None:
        self._answer(429, b"later", "text/plain", retry_after=seconds)

    def _flaky(self, times: str) -> None:
        seen = self.flaky[self.path] = self.flaky.get(self.path, 0) + 1
        self._answer(500 if seen <= int(times) else 204, b"", "text/plain")

    def _redirect(self, rest: str) -> None:
        self._answer(302, b"", "text/plain", location=f"http://127.0.0.2:{self.server.server_port}/ok/stolen")  # type: ignore[attr-defined]

    def _reset(self, rest: str) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _hang(self, rest: str) -> None:
        time.sleep(3600)

    def _slow(self, rest: str) -> None:
        time.sleep(0.3)
        self._ok(rest)

    def _huge(self, rest: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"more and more " * 4096)

    def _echo(self, rest: str) -> None:
        self._answer(500, f"what is {self.path}?".encode(), "text/plain")

    def _answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body) if status != 204 else 0))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, *told: object) -> None:
        """Nothing: pytest prints what a process prints."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that somebody closed is what some tests are about."""


def _serve(port: int, record: Path) -> None:
    _Handler.record = record
    _Handler.flaky = {}
    _Server(("0.0.0.0", port), _Handler).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
