"""A small docker daemon of Windows for tests, at the HTTP API below a real docker client.

It "builds" what the context's Dockerfile says: the layers of the base, out of a real registry, and one more.
It pushes that to the real registry, with the login that came with the request and no other.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from graph.reference import ImageRef
from tests.e2e.bases import ACCEPT, OCI_LAYER
from tests.tracker.registry.content import OCI_CONFIG, OCI_MANIFEST, Document, Pusher

VERSION = {
    "Version": "24.0.7", "ApiVersion": "1.43", "MinAPIVersion": "1.24", "Os": "windows", "Arch": "amd64",
    "KernelVersion": "10.0 20348 (20348.1.amd64fre.fe_release.210507-1500)", "Components": [],
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One request. `query` has the first value of each name."""

    method: str
    path: str  # without the version of the API
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def told_json(self, header: str) -> Any:
        """What a header holds in base64."""
        return json.loads(base64.urlsafe_b64decode(self.headers[header] + "=="))

    def files(self) -> dict[str, str]:
        """The context of a build."""
        padded = self.body + bytes(2048)  # the client leaves out the padding at the end
        with tarfile.open(fileobj=io.BytesIO(padded)) as archive:
            named = ((entry.name, archive.extractfile(entry)) for entry in archive)
            return {name: file.read().decode(errors="replace") for name, file in named if file}

    def dockerfile(self) -> str:
        return self.files()[self.query["dockerfile"]]


@dataclass(frozen=True)
class Kept:
    """An image of the daemon's."""

    config: Document
    layers: tuple[Document, ...]

    @property
    def settings(self) -> dict[str, Any]:
        return dict(json.loads(self.config.body))

    @property
    def manifest(self) -> Document:
        layers = [layer.descriptor() for layer in self.layers]
        plain = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.config.descriptor(),
            "layers": layers,
        }
        return Document(OCI_MANIFEST, json.dumps(plain).encode())


@dataclass
class FakeWindowsDocker:
    """`asked` are the requests, oldest first; a build fails with `fault` where that is set."""

    images: dict[str, Kept] = field(default_factory=dict)  # by name and id
    asked: list[Asked] = field(default_factory=list)
    fault: str | None = None
    port: int = 0

    @property
    def host(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def requests(self, method: str, path: str) -> list[Asked]:
        return [one for one in self.asked if one.method == method and re.fullmatch(path, one.path)]

    def answer(self, asked: Asked) -> tuple[int, object]:
        """Status and JSON; a list is a stream of documents."""
        self.asked.append(asked)
        name = unquote(asked.path.removeprefix("/images/").rpartition("/")[0])
        match asked.method, asked.path.rpartition("/")[2]:
            case _, "_ping":
                return 200, "OK"
            case "GET", "version":
                return 200, VERSION
            case "GET", "info":
                return 200, {"OSType": "windows", "Architecture": "x86_64", "IndexServerAddress": "x"}
            case "POST", "build":
                return 200, self._build(asked)
            case "GET", "json":
                return self._inspect(name)
            case "POST", "tag":
                self.images[f"{asked.query['repo']}:{asked.query['tag']}"] = self.images[name]
                return 201, None
            case "POST", "push":
                return 200, self._push(f"{name}:{asked.query['tag']}", asked.told_json("x-registry-auth"))
            case "DELETE", _:
                self.images.pop(unquote(asked.path.removeprefix("/images/")), None)
                return 200, []
        return 404, {"message": f"no such endpoint: {asked.path}"}

    def _build(self, asked: Asked) -> list[object]:
        if self.fault is not None:
            return [{"errorDetail": {"code": 1, "message": self.fault}, "error": self.fault}]
        text = asked.dockerfile()
        base = ImageRef.parse(re.findall(r"^FROM (\S+)", text, re.MULTILINE)[0])
        kept = _on(base, text, asked)
        named = [kept_name(name) for name in parse_names(asked)]
        self.images |= dict.fromkeys([str(kept.config.digest), *named], kept)
        steps = [{"stream": f"Step {number} : {line}\n"} for number, line in enumerate(text.splitlines(), 1)]
        return [*steps, {"aux": {"ID": str(kept.config.digest)}}]

    def _inspect(self, name: str) -> tuple[int, object]:
        if name not in self.images:
            return 404, {"message": f"No such image: {name}"}
        kept = self.images[name]
        settings = kept.settings
        return 200, {
            "Id": str(kept.config.digest),
            "Os": settings["os"],
            "OsVersion": "10.0.20348.2227",
            "Architecture": settings["architecture"],
            "Config": settings["config"],
            "RootFS": {"Type": "layers", "Layers": settings["rootfs"]["diff_ids"]},
        }

    def _push(self, name: str, login: Mapping[str, str]) -> list[object]:
        reference, kept = ImageRef.parse(name), self.images[name]
        assert reference.tag
        headers = _basic(login["username"], login["password"]) if login.get("username") else {}
        pusher = Pusher(f"http://{reference.registry}", headers)
        for blob in (*kept.layers, kept.config):
            pusher.blob(reference.repository, blob)
        digest = pusher.manifest(reference.repository, reference.tag, kept.manifest)
        size = len(kept.manifest.body)
        return [{"status": f"{reference.tag}: digest: {digest} size: {size}"}]


def parse_names(asked: Asked) -> list[str]:
    return parse_qs(asked.query["_all"]).get("t", [])


def kept_name(name: str) -> str:
    return str(ImageRef.parse(name))


def _on(base: ImageRef, text: str, asked: Asked) -> Kept:
    """The base as its registry gives it for these logins, and a layer that holds the Dockerfile."""
    logins = asked.told_json("x-registry-config") if "x-registry-config" in asked.headers else {}
    login = logins.get(base.registry, {})
    headers = _basic(login["username"], login["password"]) if login else {}
    url = f"http://{base.registry}/v2/{base.repository}"
    manifest = json.loads(_got(f"{url}/manifests/{base.digest}", headers))
    config = json.loads(_got(f"{url}/blobs/{manifest['config']['digest']}", headers))
    blobs = [
        Document(one["mediaType"], _got(f"{url}/blobs/{one['digest']}", headers))
        for one in manifest["layers"]
    ]
    plain = _tar("Files/built.txt", text.encode())
    config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(plain).hexdigest()}")
    labels = json.loads(asked.query.get("labels", "{}"))
    config["config"] = {**config["config"], "Labels": labels}
    layer = Document(OCI_LAYER, gzip.compress(plain, mtime=0))
    return Kept(Document(OCI_CONFIG, json.dumps(config).encode()), (*blobs, layer))


def _tar(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def _got(url: str, headers: Mapping[str, str]) -> bytes:
    asked = urllib.request.Request(url, headers={"accept": ACCEPT, **headers})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return bytes(answer.read())


def _handler(daemon: FakeWindowsDocker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = re.sub(r"^/v1\.\d+", "", parts.path)
            asked = Asked(self.command, path, {**query, "_all": parts.query}, headers, self._body())
            status, told = daemon.answer(asked)
            documents = told if isinstance(told, list) and asked.path != "/images" else [told]
            text = "".join(f"{json.dumps(one)}\r\n" for one in documents).encode()
            self._send(status, text)

        do_HEAD = do_POST = do_DELETE = do_GET

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _send(self, status: int, text: bytes) -> None:
            self.send_response(status)
            of_daemon = {"api-version": "1.43", "ostype": "windows", "docker-experimental": "false"}
            for name, value in {**of_daemon, "content-length": str(len(text))}.items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@contextlib.contextmanager
def fake_windows_docker() -> Iterator[FakeWindowsDocker]:
    daemon = FakeWindowsDocker()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(daemon))
    daemon.port = server.server_address[1]
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        yield daemon
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
