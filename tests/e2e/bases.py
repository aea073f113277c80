"""Base images made by hand and pushed by HTTP, in milliseconds; and looks at a registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

from graph.reference import Digest, ImageRef
from tests.real_registry import RealRegistry
from tests.tracker.registry.content import OCI_CONFIG, OCI_MANIFEST, Document, Image, Pusher, index

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        OCI_MANIFEST,
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


@dataclass(frozen=True)
class LayeredImage(Image):
    layer: Document


def layered_image(
    text: str, *, architecture: str = "amd64", system: str = "linux", files: dict[str, bytes] | None = None
) -> LayeredImage:
    """An image whose `/base.txt` holds `text`, and that holds `files` besides."""
    plain = _tar({"base.txt": text.encode(), **(files or {})})
    layer = Document(OCI_LAYER, gzip.compress(plain, mtime=0))
    diff_id = f"sha256:{hashlib.sha256(plain).hexdigest()}"
    settings = {
        "architecture": architecture,
        "os": system,
        "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "a test"}],  # buildah counts them
    }
    config = Document(OCI_CONFIG, json.dumps(settings).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    }
    return LayeredImage(config, Document(OCI_MANIFEST, json.dumps(manifest).encode()), layer)


def with_shell(text: str, **files: bytes) -> LayeredImage:
    """The same with a busybox as /bin/sh, for RUN."""
    busybox = shutil.which("busybox")
    assert busybox, "busybox-static is missing: run make setup"
    return layered_image(text, files={"bin/sh": Path(busybox).read_bytes(), **files})


def saying(image: LayeredImage, **settings: Any) -> LayeredImage:
    """The same with more in the `config` of its config: what containers of it do."""
    plain = json.loads(image.config.body)
    plain["config"].update(settings)
    config = Document(OCI_CONFIG, json.dumps(plain).encode())
    manifest = {**json.loads(image.manifest.body), "config": config.descriptor()}
    return LayeredImage(config, Document(OCI_MANIFEST, json.dumps(manifest).encode()), image.layer)


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@dataclass(frozen=True)
class Shelf:
    """One real registry, filled by hand and looked at."""

    registry: RealRegistry
    host: str  # as names have it: the registry's own, or that of a proxy before it
    headers: Mapping[str, str] = field(default_factory=dict)  # a login, where the registry wants one

    def push(self, name: str, text: str) -> str:
        """Push a base image whose file holds `text`; answers the full name."""
        return self.put(name, layered_image(text))

    def put(self, name: str, image: LayeredImage) -> str:
        repository, _, tag = name.partition(":")
        self._pusher.blob(repository, image.layer)
        self._pusher.image(repository, tag or "latest", image)
        return self.name(name)

    def put_index(self, name: str, **images: LayeredImage) -> str:
        """Push an index with an image for each architecture, which is the name of the argument."""
        repository, _, tag = name.partition(":")
        entries = []
        for architecture, image in images.items():
            self._pusher.blob(repository, image.layer)
            self._pusher.image(repository, str(image.digest), image)
            platform = {"os": "linux", "architecture": architecture}
            entries.append(image.manifest.descriptor(platform=platform))
        self._pusher.manifest(repository, tag or "latest", index(entries))
        return self.name(name)

    def name(self, name: str) -> str:
        return str(ImageRef.parse(f"{self.host}/{name}"))

    def digest(self, name: str) -> Digest | None:
        """What the registry itself says that the tag points to; None if there is no such tag."""
        try:
            return Digest.parse(self._ask("HEAD", self._url(name))[1]["docker-content-digest"])
        except urllib.error.HTTPError as error:
            error.close()
            return None

    def delete(self, name: str) -> None:
        """Delete the manifest that a tag points to, and with it every tag that does."""
        self._ask("DELETE", self._url(name, self.digest(name)))

    def retag(self, name: str, digest: str) -> None:
        """Point a tag at a manifest that is there already."""
        reference = ImageRef.parse(name)
        body, headers = self._ask("GET", self._url(name, digest))
        assert reference.tag
        self._pusher.manifest(reference.repository, reference.tag, Document(headers["content-type"], body))

    def manifest(self, name: str, *, digest: Digest | str | None = None) -> dict[str, Any]:
        return dict(json.loads(self._ask("GET", self._url(name, digest))[0]))

    def layers(self, name: str, *, digest: Digest | str | None = None) -> list[str]:
        """The uncompressed layers of one platform's image, lowest first."""
        return list(self.config(name, digest=digest)["rootfs"]["diff_ids"])

    def config(self, name: str, *, digest: Digest | str | None = None) -> dict[str, Any]:
        """The OCI image config of one platform's image."""
        config = self.manifest(name, digest=digest)["config"]["digest"]
        url = f"{self.registry.url}/v2/{ImageRef.parse(name).repository}/blobs/{config}"
        return dict(json.loads(self._ask("GET", url)[0]))

    @property
    def _pusher(self) -> Pusher:
        # The registry's events name the host that a push named.
        return Pusher(self.registry.url, headers={"host": self.host, **self.headers})

    def _url(self, name: str, digest: Digest | str | None = None) -> str:
        reference = ImageRef.parse(name)
        return f"{self.registry.url}/v2/{reference.repository}/manifests/{digest or reference.tag}"

    def _ask(self, method: str, url: str) -> tuple[bytes, Message]:
        request = urllib.request.Request(url, headers={"accept": ACCEPT, **self.headers}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read(), answer.headers
