"""Base images made by hand: one layer with one file, pushed by HTTP in milliseconds; and looks at a registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass
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
    text: str, *, architecture: str = "amd64", files: dict[str, bytes] | None = None
) -> LayeredImage:
    """An image whose `/base.txt` holds `text`, and that holds `files` besides."""
    plain = _tar({"base.txt": text.encode(), **(files or {})})
    layer = Document(OCI_LAYER, gzip.compress(plain, mtime=0))
    diff_id = f"sha256:{hashlib.sha256(plain).hexdigest()}"
    settings = {
        "architecture": architecture,
        "os": "linux",
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
        reference = ImageRef.parse(name)
        request = urllib.request.Request(
            self._url(reference, reference.tag or str(reference.digest)),
            headers={"accept": ACCEPT},
            method="HEAD",
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Digest.parse(answer.headers["docker-content-digest"])
        except urllib.error.HTTPError as error:
            error.close()
            return None

    def delete(self, name: str) -> None:
        """Delete the manifest that a tag points to, as `registry garbage-collect` users do."""
        reference, digest = ImageRef.parse(name), self.digest(name)
        request = urllib.request.Request(self._url(reference, str(digest)), method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()

    def retag(self, name: str, digest: str) -> None:
        """Point a tag at a manifest that is there already."""
        reference = ImageRef.parse(name)
        body, media_type = self._get(self._url(reference, digest))
        assert reference.tag
        self._pusher.manifest(reference.repository, reference.tag, Document(media_type, body))

    def manifest(self, name: str, *, digest: Digest | str | None = None) -> dict[str, Any]:
        reference = ImageRef.parse(name)
        return dict(json.loads(self._get(self._url(reference, str(digest or reference.tag)))[0]))

    def layers(self, name: str, *, digest: Digest | str | None = None) -> list[str]:
        """The uncompressed layers of one platform's image, lowest first."""
        return list(self.config(name, digest=digest)["rootfs"]["diff_ids"])

    def config(self, name: str, *, digest: Digest | str | None = None) -> dict[str, Any]:
        """The OCI image config of one platform's image."""
        reference = ImageRef.parse(name)
        config = self.manifest(name, digest=digest)["config"]["digest"]
        blob = self._get(f"{self.registry.url}/v2/{reference.repository}/blobs/{config}")[0]
        return dict(json.loads(blob))

    @property
    def _pusher(self) -> Pusher:
        # The registry's events name the host that a push named.
        return Pusher(self.registry.url, headers={"host": self.host})

    def _url(self, reference: ImageRef, what: str) -> str:
        return f"{self.registry.url}/v2/{reference.repository}/manifests/{what}"

    def _get(self, url: str) -> tuple[bytes, str]:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"accept": ACCEPT}), timeout=30
        ) as answer:
            return answer.read(), answer.headers["content-type"]
