"""Images without layers for tests: made as bytes, and pushed with the standard library's HTTP."""

from __future__ import annotations

import hashlib
import json
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.reference import Digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"


@dataclass(frozen=True)
class Document:
    media_type: str
    body: bytes

    @property
    def digest(self) -> Digest:
        return Digest("sha256", hashlib.sha256(self.body).hexdigest())

    def descriptor(self, **more: Any) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": str(self.digest), "size": len(self.body), **more}


@dataclass(frozen=True)
class Image:
    config: Document
    manifest: Document

    @property
    def digest(self) -> Digest:
        return self.manifest.digest


def image(name: str, *, architecture: str = "amd64", annotations: Mapping[str, str] | None = None) -> Image:
    rootfs = {"type": "layers", "diff_ids": []}
    settings = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": [f"NAME={name}"]},
        "rootfs": rootfs,
    }
    config = Document(OCI_CONFIG, json.dumps(settings).encode())
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor(), "layers": []}
    if annotations:
        manifest["annotations"] = dict(annotations)
    return Image(config, Document(OCI_MANIFEST, json.dumps(manifest).encode()))


def index(entries: list[dict[str, Any]], **more: Any) -> Document:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}
    return Document(OCI_INDEX, json.dumps(document).encode())


@dataclass(frozen=True)
class Pusher:
    """Pushes to one registry, with an `Authorization` header where that wants one."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    def image(self, repository: str, tag: str, pushed: Image) -> Digest:
        self.blob(repository, pushed.config)
        return self.manifest(repository, tag, pushed.manifest)

    def blob(self, repository: str, blob: Document) -> None:
        location = self._send("POST", f"{self.url}/v2/{repository}/blobs/uploads/")
        self._send("PUT", f"{location}&digest={blob.digest}", blob.body, "application/octet-stream")

    def manifest(self, repository: str, tag: str, document: Document) -> Digest:
        self._send("PUT", f"{self.url}/v2/{repository}/manifests/{tag}", document.body, document.media_type)
        return document.digest

    def _send(self, method: str, url: str, body: bytes = b"", media_type: str = "text/plain") -> str:
        headers = {"content-type": media_type, **self.headers}
        request = urllib.request.Request(url, data=body, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10, context=self.tls) as answer:
            return str(answer.headers.get("location", ""))
