"""A proxy before a real registry that misbehaves on command, for whoever asks it by its own port."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.hostile_registry import Reply, Seen
from tests.real_registry import RealRegistry

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class FaultyRegistry:
    """`fault` answers in the registry's place where it gives a reply; it may change while the proxy runs."""

    upstream: RealRegistry
    fault: Callable[[Seen], Reply | None] = lambda seen: None
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def heal(self) -> None:
        self.fault = lambda seen: None

    def count(self, method: str, part: str) -> int:
        """How many requests of that method had `part` in their path."""
        return sum(seen.method == method and part in seen.path for seen in self.seen)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: FaultyRegistry

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers)
        self.registry.seen.append(seen)
        reply = self.registry.fault(seen)
        body = self._body()
        if reply is None:
            self._pass_on(body)
        elif reply.hang:
            self.registry.closing.wait()
            self.close_connection = True
        elif reply.raw is not None:
            self.wfile.write(reply.raw)
            self.close_connection = True
        else:
            self._send(reply.status, list(reply.headers.items()), reply.body)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _pass_on(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.registry.upstream.port, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # engines send several lines of one name
                if name.lower() not in _HOP_BY_HOP:
                    upstream.putheader(name, value)
            upstream.putheader("content-length", str(len(body)))
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
        except OSError:  # the registry is down: so is the proxy, for this caller
            self.close_connection = True
            return
        finally:
            upstream.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
        length = answer.getheader("content-length") if self.command == "HEAD" else None
        self._send(answer.status, kept, content, length=length)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", "0")))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, length: str | None = None
    ) -> None:
        with contextlib.suppress(ConnectionError):  # a caller that was killed hears no answer
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("content-length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that was killed in the middle of a request is no fault of the proxy."""


@contextlib.contextmanager
def faulty_registry(upstream: RealRegistry) -> Iterator[FaultyRegistry]:
    registry = FaultyRegistry(upstream)
    listener = _Listener(("127.0.0.1", 0), type("Handler", (_Handler,), {"registry": registry}))
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
