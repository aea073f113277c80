"""A small HashiCorp Vault for tests: KV 1 and 2, tokens with policies, AppRole, namespaces, sealing."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class FakeVault:
    """Change its fields while it runs; `requests` are (method, path), oldest first."""

    mounts: dict[str, str] = field(default_factory=lambda: {"secret/": "2", "old/": "1"})
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)  # by path, mount included
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)  # token → prefixes that it may read
    roles: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    namespace: str | None = None
    lease_s: int = 3600
    faults: list[int] = field(default_factory=list)  # statuses of the next answers
    delay_s: float = 0.0
    body: bytes | None = None  # in place of every answer
    redirects_to: str = "http://127.0.0.1:9/"  # with the fault 307
    requests: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def answer(
        self, method: str, path: str, token: str | None, namespace: str | None, body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        self.requests.append((method, path))
        time.sleep(self.delay_s)
        if self.faults:
            return self.faults.pop(0), {"errors": ["a fault"]}
        if namespace != self.namespace:
            return 404, {"errors": []}
        if (method, path) == ("POST", "auth/approle/login"):
            return self._log_in(body)
        allowed = self.tokens.get(token or "")
        if allowed is None:
            return 403, {"errors": ["permission denied"]}
        if path.startswith("sys/internal/ui/mounts/"):
            return self._mount(path.removeprefix("sys/internal/ui/mounts/"), allowed)
        return self._read(path, allowed)

    def _log_in(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        allowed = self.roles.get((body.get("role_id", ""), body.get("secret_id", "")))
        if allowed is None:
            return 400, {"errors": ["invalid role or secret ID"]}
        token = f"hvs.{uuid.uuid4().hex}"
        self.tokens[token] = allowed
        return 200, {"auth": {"client_token": token, "lease_duration": self.lease_s}}

    def _mount(self, path: str, allowed: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
        mount = next((mount for mount in self.mounts if path.startswith(mount)), None)
        if mount is None or not path.startswith(allowed):
            return 403, {"errors": ["preflight capability check returned 403"]}
        return 200, {"data": {"path": mount, "options": {"version": self.mounts[mount]}, "type": "kv"}}

    def _read(self, path: str, allowed: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
        mount = next((mount for mount in self.mounts if path.startswith(mount)), "")
        second = self.mounts.get(mount) == "2"
        name = path.replace(f"{mount}data/", mount, 1) if second else path
        if not name.startswith(allowed):
            return 403, {"errors": ["permission denied"]}
        found = self.secrets.get(name)
        if found is None or (second and not path.startswith(f"{mount}data/")):
            return 404, {"errors": []}
        return 200, {"data": {"data": found, "metadata": {"version": 1}} if second else found}


def _handler(vault: FakeVault) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _answer(self, body: dict[str, Any]) -> None:
            path = unquote(urlsplit(self.path).path).removeprefix("/v1/")
            told = (self.headers["x-vault-token"], self.headers["x-vault-namespace"])
            status, document = vault.answer(self.command, path, *told, body)
            text = json.dumps(document).encode() if vault.body is None else vault.body
            with contextlib.suppress(ConnectionError):  # whoever asked may have given up
                self.send_response(status)
                if status == 307:
                    self.send_header("location", vault.redirects_to)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@contextlib.contextmanager
def fake_vault(identity: tuple[Path, Path] | None = None) -> Iterator[FakeVault]:
    """`identity` is a certificate with its key: then it speaks TLS."""
    vault = FakeVault()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(vault))
    listener.daemon_threads = True
    if identity is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*identity)
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        listener.handle_error = lambda *_: None  # type: ignore[method-assign]  # who asked hung up: meant
        vault.scheme = "https"
    vault.port = listener.server_port
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield vault
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
