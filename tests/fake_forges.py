"""Small git forges for tests, one API each: tokens with scopes, statuses of commits, webhooks, pull requests.

They keep what they are told and answer as the documents of the real ones say.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tracker.forges.address import Address, Place, address_of
from tracker.forges.kind import ForgeKind

COMMIT = "1234567890abcdef1234567890abcdef12345678"
TOKEN = "token-of-the-tests"
ROOTS = {
    ForgeKind.GITHUB: "/api/v3",
    ForgeKind.GITLAB: "/api/v4",
    ForgeKind.GITEA: "/api/v1",
    ForgeKind.BITBUCKET: "/2.0",
    ForgeKind.BITBUCKET_SERVER: "/rest/api/latest",
    ForgeKind.AZURE: "",
}
_STATUSES = {
    ForgeKind.GITHUB: r"/repos/(?P<repo>[^/]+/[^/]+)/statuses/(?P<commit>[0-9a-f]+)",
    ForgeKind.GITEA: r"/repos/(?P<repo>[^/]+/[^/]+)/statuses/(?P<commit>[0-9a-f]+)",
    ForgeKind.GITLAB: r"/projects/(?P<repo>[^/]+)/statuses/(?P<commit>[0-9a-f]+)",
    ForgeKind.BITBUCKET: r"/repositories/(?P<repo>[^/]+/[^/]+)/commit/(?P<commit>[0-9a-f]+)/statuses/build",
    ForgeKind.BITBUCKET_SERVER: r"/projects/(?P<owner>[^/]+)/repos/(?P<repo>[^/]+)/commits/"
    r"(?P<commit>[0-9a-f]+)/builds",
    ForgeKind.AZURE: r"/(?P<owner>[^/]+/[^/]+)/_apis/git/repositories/(?P<repo>[^/]+)/commits/"
    r"(?P<commit>[0-9a-f]+)/statuses",
}
_HOOKS = r"/(?:repos/(?P<repo>[^/]+/[^/]+)|projects/(?P<project>[^/]+))/hooks(?:/(?P<number>\d+))?"
_PULLS = r"/(?:repos/(?P<repo>[^/]+/[^/]+)/pulls|projects/(?P<project>[^/]+)/merge_requests)/(?P<number>\d+)"

Answer = tuple[int, Any]


@dataclass
class FakeForge:
    """Change its fields while it runs. `requests` are (method, path), oldest first."""

    kind: ForgeKind
    url: str = ""
    tokens: dict[str, frozenset[str]] = field(default_factory=lambda: {TOKEN: frozenset({"status", "hook"})})
    repositories: set[str] = field(default_factory=lambda: {"team/shop"})
    statuses: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    hooks: dict[int, dict[str, Any]] = field(default_factory=dict)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    faults: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)  # of the next answers
    body: bytes | None = None  # in place of every answer
    requests: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    @property
    def clone_url(self) -> str:
        path = {ForgeKind.AZURE: "team/shop/_git/shop", ForgeKind.BITBUCKET_SERVER: "scm/team/shop.git"}
        return f"{self.url}/{path.get(self.kind, 'team/shop.git')}"

    @property
    def api(self) -> str:
        return f"{self.url}{ROOTS[self.kind]}"

    @property
    def address(self) -> Address:
        """Where its repository is."""
        place = Place.of(self.clone_url)
        assert place is not None
        return address_of(place, kind=self.kind, api=self.api)

    @property
    def states(self) -> list[str]:
        """Of the statuses, oldest first."""
        return [str(told["state"]) for _, told in self.statuses]

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> Answer:
        inside = path.removeprefix(ROOTS[self.kind])
        if found := re.fullmatch(_STATUSES[self.kind], inside):
            return self._status(method, unquote(found["repo"]), found["commit"], query, body)
        if found := re.fullmatch(_HOOKS, inside):
            name = unquote(found["repo"] or found["project"])
            return self._hook(method, name, int(found["number"] or 0), query, body)
        if found := re.fullmatch(_PULLS, inside):
            pull = self.pulls.get(int(found["number"]))
            return (200, pull) if pull else (404, {"message": "Not Found"})
        return 404, {"message": "no such page"}

    def _status(
        self, method: str, repo: str, commit: str, query: Mapping[str, list[str]], body: dict[str, Any]
    ) -> Answer:
        if self.kind is ForgeKind.AZURE and "api-version" not in query:
            return 400, {"message": "No api-version was supplied"}
        if "status" not in self._scopes():
            return 403, {"message": "Resource not accessible by personal access token"}
        if method != "POST" or not any(name.endswith(repo) for name in self.repositories):
            return 404, {"message": "Not Found"}
        if self.kind in (ForgeKind.BITBUCKET, ForgeKind.BITBUCKET_SERVER) and not body.get("url"):
            return 400, {"error": {"message": "url is required"}}
        if self.kind is ForgeKind.GITLAB and [(commit, body["state"])] == [
            (known, told["state"]) for known, told in self.statuses[-1:]
        ]:
            return 400, {"message": f"Cannot transition status via :enqueue from :{body['state']}"}
        self.statuses.append((commit, body))
        return 201, {"id": len(self.statuses), **body}

    def _hook(self, method: str, repo: str, number: int, query: Mapping[str, list[str]], body: Any) -> Answer:
        if "hook" not in self._scopes() or repo not in self.repositories:
            return 404, {"message": "Not Found"}  # as GitHub hides what it does not grant
        if method == "GET":
            size = int((query.get("per_page") or query.get("limit") or ["30"])[0])
            page = int(query.get("page", ["1"])[0])
            return 200, [self._shown(each) for each in sorted(self.hooks)][(page - 1) * size : page * size]
        if method == "POST":
            number = max(self.hooks, default=0) + 1
            self.hooks[number] = body
            return 201, self._shown(number)
        if number not in self.hooks:
            return 404, {"message": "Not Found"}
        if method == "DELETE":
            del self.hooks[number]
            return 204, None
        wanted = "PUT" if self.kind is ForgeKind.GITLAB else "PATCH"
        if method != wanted:
            return 405, {"message": "Method Not Allowed"}
        self.hooks[number] |= body
        return 200, self._shown(number)

    def _shown(self, number: int) -> dict[str, Any]:
        """Secrets are written and never read."""
        hook = {key: value for key, value in self.hooks[number].items() if key != "token"}
        if "config" in hook:
            hook["config"] = {key: value for key, value in hook["config"].items() if key != "secret"}
        return {"id": number, **hook}

    def _scopes(self) -> frozenset[str]:
        said = self.authorizations[-1]
        scheme, _, word = said.partition(" ")
        if scheme == "Basic":
            word = b64decode(word).decode().partition(":")[2]
        return self.tokens.get(word, frozenset())


@contextlib.contextmanager
def fake_forge(kind: ForgeKind) -> Iterator[FakeForge]:
    forge = FakeForge(kind)
    handler = type("Told", (_Handler,), {"forge": forge})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        forge.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield forge
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    forge: FakeForge

    def log_message(self, *args: object) -> None:
        pass

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        self.forge.requests.append((self.command, parts.path))
        self.forge.authorizations.append(self.headers.get("Authorization", ""))
        headers: Mapping[str, str] = {}
        if self.forge.faults:
            status, headers = self.forge.faults.pop(0)
            answer: Any = {"message": "a fault"}
        else:
            body = json.loads(content) if content else None
            status, answer = self.forge.answer(self.command, parts.path, parse_qs(parts.query), body)
        told = b"" if answer is None else json.dumps(answer).encode()
        self._send(status, headers, told if self.forge.body is None else self.forge.body)

    def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve
