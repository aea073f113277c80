"""A web server for tests that answers as it is told, well or badly."""

from __future__ import annotations

import contextlib
import gzip
import select
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.rebuild.context.archives import Member, tar_of

TARBALL = gzip.compress(tar_of(Member("Dockerfile", b"FROM scratch\n")), mtime=0)

Answer = Callable[["Handler"], None]


@dataclass
class Server:
    """A web server that answers as it is told, by path, and remembers who asked."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def gives(self, path: str, answer: Answer) -> str:
        self.answers[path] = answer
        return f"{self.url}{path}"


class Handler(BaseHTTPRequestHandler):
    state: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.state.asked.append((self.path, self.headers.get("Authorization")))
        with contextlib.suppress(ConnectionError):
            self.state.answers[self.path](self)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    state = Server()
    handler = type("Told", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def body(content: bytes, *, status: int = 200, promised: int | None = None) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content) if promised is None else promised))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirect(to: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(TARBALL)


def stuck(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(TARBALL[:20])
    handler.connection.recv(1)  # until the client has gone


def dripping_head(handler: Handler) -> None:
    """Never the end of the head, and never a pause either, until the client has gone."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    _drip(handler)


def dripping_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    _drip(handler)


def _drip(handler: Handler) -> None:
    while not select.select([handler.connection], [], [], 0.02)[0]:
        handler.wfile.write(b".")


def in_turn(*answers: Answer) -> Answer:
    left = list(answers)
    return lambda handler: left.pop(0)(handler)
