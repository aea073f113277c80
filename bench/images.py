"""Puts tiny images into a registry over plain HTTP, without an engine."""

from __future__ import annotations

import hashlib
import json
import urllib.request

_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def put_image(url: str, repository: str, tags: list[str], *, note: str = "") -> str:
    """Upload an image without layers under these tags; `note` makes it another image. Answers its digest."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"note": note}},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
    ).encode()
    put_blob(url, repository, config)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": [],
        }
    ).encode()
    for tag in tags:
        _send("PUT", f"{url}/v2/{repository}/manifests/{tag}", manifest, _MANIFEST)
    return digest_of(manifest)


def put_blob(url: str, repository: str, content: bytes) -> None:
    location = _send("POST", f"{url}/v2/{repository}/blobs/uploads/", b"")
    joint = "&" if "?" in location else "?"
    _send("PUT", f"{location}{joint}digest={digest_of(content)}", content)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _send(method: str, url: str, body: bytes, kind: str = "application/octet-stream") -> str:
    request = urllib.request.Request(url, data=body, method=method, headers={"content-type": kind})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.headers.get("location", ""))
