"""A token server whose tokens a real registry accepts: signs JWTs with the openssl command, and counts.

The registry is configured with `auth={"token": server.registry_settings()}`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SERVICE = "test-registry"
ISSUER = "test-issuer"
LONG_EXPIRED_S = -3600  # the registry forgives a minute


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(frozen=True)
class TokenRequest:
    """One request as it came: which way, for what, as whom."""

    method: str
    scopes: tuple[str, ...]
    login: str | None  # user:password of Basic
    refresh_token: str | None


@dataclass
class FakeTokenServer:
    """Change its fields while it runs; `requests` tells what it was asked, oldest first."""

    folder: Path
    users: dict[str, str] = field(default_factory=dict)  # anonymous requests are granted where empty
    refresh_tokens: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)  # repositories left out of every grant
    scopes_most: int = 1000  # more of them in one request are answered with 400
    expires_in: int | None = 300
    expired_ones: int = 0  # so many of the next tokens are past their end when issued
    delay_s: float = 0.0
    requests: list[TokenRequest] = field(default_factory=list)
    port: int = 0

    @property
    def realm(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

    def registry_settings(self) -> dict[str, str]:
        return {
            "realm": self.realm,
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(self.folder / "cert.pem"),
        }

    def make_key(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        subject = ["-subj", "/CN=token-server", "-days", "2"]
        files = ["-keyout", str(self.folder / "key.pem"), "-out", str(self.folder / "cert.pem")]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files],
            check=True,
            capture_output=True,
        )

    def answer(self, asked: TokenRequest) -> tuple[int, dict[str, Any]]:
        self.requests.append(asked)
        time.sleep(self.delay_s)
        if not self._knows(asked):
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong user name or password"}]}
        if len(asked.scopes) > self.scopes_most:
            return 400, {"errors": [{"code": "UNSUPPORTED", "message": "too many scopes"}]}
        answer: dict[str, Any] = {"token": self._token(asked.scopes)}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        return 200, answer

    def _knows(self, asked: TokenRequest) -> bool:
        if asked.refresh_token is not None:
            return asked.refresh_token in self.refresh_tokens
        if asked.login is not None:
            user, _, password = asked.login.partition(":")
            return self.users.get(user) == password
        return True

    def _token(self, scopes: tuple[str, ...]) -> str:
        life_s = 300
        if self.expired_ones > 0:
            self.expired_ones -= 1
            life_s = LONG_EXPIRED_S
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "",
            "aud": SERVICE,
            "exp": now + life_s,
            "nbf": now - 7200,
            "iat": now - 7200,
            "jti": uuid.uuid4().hex,
            "access": [entry for scope in scopes if (entry := self._access(scope)) is not None],
        }
        return self._sign(claims)

    def _access(self, scope: str) -> dict[str, Any] | None:
        kind, name, actions = scope.split(":")
        return None if name in self.denied else {"type": kind, "name": name, "actions": actions.split(",")}

    def _sign(self, claims: dict[str, Any]) -> str:
        certificate = (self.folder / "cert.pem").read_text()
        x5c = "".join(certificate.splitlines()[1:-1])
        header = {"typ": "JWT", "alg": "RS256", "x5c": [x5c]}
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.folder / "key.pem")]
        signed = subprocess.run(command, input=text.encode(), check=True, capture_output=True)
        return f"{text}.{_base64url(signed.stdout)}"


def _handler(server: FakeTokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(parse_qs(urlsplit(self.path).query).get("scope", []), None)

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            self._answer(form.get("scope", [""])[0].split(), form["refresh_token"][0])

        def _answer(self, scopes: list[str], refresh_token: str | None) -> None:
            scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
            login = base64.b64decode(encoded).decode() if scheme == "Basic" else None
            asked = TokenRequest(self.command, tuple(scopes), login, refresh_token)
            status, document = server.answer(asked)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@contextlib.contextmanager
def fake_token_server(folder: Path) -> Iterator[FakeTokenServer]:
    server = FakeTokenServer(folder)
    server.make_key()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    listener.daemon_threads = True
    server.port = listener.server_port
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
