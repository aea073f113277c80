"""A server on loopback that answers whatever a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case


@dataclass(frozen=True)
class Reply:
    """One answer. `raw` is sent as it stands and the connection closed; `hang` sends nothing."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes | None = None
    hang: bool = False


@dataclass
class HostileRegistry:
    """`script` makes the answer; a list of replies is given out one by one, the last one for ever."""

    script: Callable[[Seen], Reply] | list[Reply] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def reply(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        if callable(self.script):
            return self.script(seen)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


def _handler(registry: HostileRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = registry.reply(Seen(self.command, self.path, headers))
            if reply.hang:
                registry.closing.wait()
                self.close_connection = True
            elif reply.raw is not None:
                self.wfile.write(reply.raw)
                self.close_connection = True
            else:
                self._send(reply)

        do_HEAD = do_POST = do_CONNECT = do_GET

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                with contextlib.suppress(ConnectionError):  # a reader with a limit goes away
                    self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@contextlib.contextmanager
def hostile_registry() -> Iterator[HostileRegistry]:
    registry = HostileRegistry()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(registry))
    listener.daemon_threads = True
    registry.port = listener.server_port
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry
    finally:
        registry.closing.set()
        listener.shutdown()
        thread.join()
        listener.server_close()
