"""Waiting for the outcome of a run without its log, while the service comes and goes."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.real_registry import free_port
from tracker.remote.address import WebAddress
from tracker.remote.attend import Poller
from tracker.remote.client import Client, Refused, Unreachable

RUNNING: tuple[int, object] = (200, {"status": "Running", "finished_at": None})
OVER: tuple[int, object] = (200, {"status": "Succeeded", "finished_at": "2026-01-01T00:00:00.000Z"})
AWAY: tuple[int, object] = (503, {"error": "the service stops"})


@dataclass
class Waiting:
    """A clock that goes on by what is slept."""

    now_s: float = 0.0
    told: list[str] = field(default_factory=list)

    def poller(self, client: Client, *, patience_s: float = 60.0) -> Poller:
        return Poller(
            client,
            "a1",
            lost=lambda fault: self.told.append(fault.message),
            patience_s=patience_s,
            sleep=self._sleep,
            clock=lambda: self.now_s,
        )

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds


@contextlib.contextmanager
def answering(*answers: tuple[int, object]) -> Iterator[Client]:
    """One after the other."""
    left = list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = left.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *arguments: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Client(WebAddress("127.0.0.1", server.server_port, tls=False))
        finally:
            server.shutdown()
            thread.join()


def test_a_service_that_is_away_for_a_while_is_waited_for() -> None:
    waiting = Waiting()

    with answering(RUNNING, AWAY, AWAY, RUNNING, AWAY, OVER) as client:
        run = waiting.poller(client).outcome()

    assert run["status"] == "Succeeded"
    assert waiting.told == ["the service stops", "the service stops"]


def test_a_service_that_stays_away_is_waited_for_so_long_and_no_longer() -> None:
    waiting = Waiting()
    nobody = Client(WebAddress("127.0.0.1", free_port(), tls=False))

    with pytest.raises(Unreachable):
        waiting.poller(nobody, patience_s=9.0).outcome()

    assert (waiting.now_s, len(waiting.told)) == (10.0, 1)


def test_a_run_that_is_gone_is_not_waited_for() -> None:
    waiting = Waiting()

    with answering(RUNNING, (404, {"error": "there is no run 'a1'"})) as client, pytest.raises(Refused):
        waiting.poller(client).outcome()

    assert waiting.told == []
