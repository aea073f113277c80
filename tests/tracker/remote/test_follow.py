"""Following a log over connections that break at any byte, against a real server of HTTP."""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.real_registry import free_port
from tracker.remote.address import WebAddress
from tracker.remote.client import Client, Refused, Unreachable
from tracker.remote.events import NoEvents, read_events
from tracker.remote.follow import BackOff, Follower

LOG = ("grüße 漢字 🎉\n" * 5).encode()


def stream(offset: int, size: int = 7) -> bytes:
    """The log from that byte on, in base64 so that any cut will do, then the end."""
    text = b": a comment\n\n"
    while offset < len(LOG):
        piece = LOG[offset : offset + size]
        offset += len(piece)
        text += b"id: %d\nevent: log64\ndata: %b\n\n" % (offset, base64.b64encode(piece))
    return text + b'event: end\ndata: {"status": "Succeeded"}\n\n'


@dataclass
class Server:
    """Answers each request as the next of `answers` says: with a status and a part of a body."""

    answers: list[Callable[[int], tuple[int, bytes]]]
    offsets: list[int] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[Client]:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                offset = int(self.headers["Last-Event-ID"])
                outer.offsets.append(offset)
                status, body = outer.answers.pop(0)(offset)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None: ...

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Client(WebAddress("127.0.0.1", server.server_port, tls=False))
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def follower(client: Client, said: bytearray, **more: Any) -> Follower:
    return Follower(client, "a1", said.extend, sleep=lambda seconds: None, **more)


def cut_at(place: int) -> Callable[[int], tuple[int, bytes]]:
    return lambda offset: (200, stream(offset)[:place])


def whole(offset: int) -> tuple[int, bytes]:
    return 200, stream(offset)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=5))
def test_a_stream_that_is_cut_anywhere_gives_every_byte_once(cuts: list[int]) -> None:
    said = bytearray()
    with Server([*map(cut_at, cuts), whole]).running() as client:
        run = follower(client, said).follow()

    assert (bytes(said), run) == (LOG, {"status": "Succeeded"})


def test_a_service_that_is_away_for_a_while_is_asked_again() -> None:
    said, lost = bytearray(), list[Exception]()
    busy = (503, b'{"error": "starting"}')
    server = Server([cut_at(90), lambda offset: busy, lambda offset: (502, b"<html>"), whole])
    with server.running() as client:
        follower(client, said, lost=lost.append).follow()

    assert bytes(said) == LOG
    assert len(lost) == 1
    assert server.offsets[0] == 0
    assert len(set(server.offsets[1:])) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_no_reason_to_ask_again(status: int) -> None:
    server = Server([lambda offset: (status, b'{"error": "no", "hint": "else"}')])
    with server.running() as client, pytest.raises(Refused) as refused:
        follower(client, bytearray()).follow()

    assert (str(refused.value), server.answers) == ("no", [])


def test_patience_ends() -> None:
    ticks = iter(range(0, 10_000, 100))
    client = Client(WebAddress("127.0.0.1", free_port(), tls=False))

    with pytest.raises(Unreachable, match="does not answer: Connection refused"):
        follower(client, bytearray(), patience_s=350, clock=lambda: float(next(ticks))).follow()


@pytest.mark.parametrize(
    "body",
    [
        b'id: 5\nevent: log\ndata: "four"\n\n',
        b'id: x\nevent: log\ndata: "four"\n\n',
        b'event: log\ndata: "four"\n\n',
        b"id: 4\nevent: log\ndata: four\n\n",
        b"id: 4\nevent: log64\ndata: ****\n\n",
        b"event: end\ndata: nothing\n\n",
        b"id: \xff\n\n",
    ],
)
def test_what_is_no_log_of_ours_is_told_and_not_printed(body: bytes) -> None:
    said = bytearray()
    with Server([lambda offset: (200, body)]).running() as client, pytest.raises(Unreachable):
        follower(client, said).follow()

    assert said == b""


def test_a_reader_of_our_output_that_is_gone_ends_it() -> None:
    def gone(piece: bytes) -> None:
        raise BrokenPipeError

    with Server([whole]).running() as client, pytest.raises(BrokenPipeError):
        Follower(client, "a1", gone).follow()


def test_waits_double_up_to_the_most() -> None:
    waits_s = BackOff(first_s=1, most_s=5).waits_s()

    assert [next(waits_s) for _ in range(5)] == [1, 2, 4, 5, 5]


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_none(text: bytes) -> None:
    with contextlib.suppress(NoEvents):
        for event in read_events(io.BytesIO(text)):
            assert event.kind is not None
