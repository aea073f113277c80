"""What the documents of a registry mean: indexes, manifests, configs. Pure; fetches nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graph.errors import InvalidReference
from graph.reference import Digest, Platform
from rebuild.registry import RegistryRefused, RegistryUnavailable

INDEX_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
IMAGE_TYPES = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
# With fewer of them a registry answers 404, or with one platform's digest in place of the index's.
ACCEPT = ", ".join(sorted(INDEX_TYPES) + sorted(IMAGE_TYPES))
_ATTESTATION = "vnd.docker.reference.type"


@dataclass(frozen=True, slots=True)
class Blob:
    """What a manifest says of one of its parts."""

    digest: Digest
    size: int


def verify(what: str, digest: Digest, body: bytes) -> None:
    """Raise `RegistryUnavailable` unless the body is what the digest names."""
    found = hashlib.new(digest.algorithm, body).hexdigest()
    if found != digest.hex:
        rule = f"the answer has the digest {digest.algorithm}:{found[:12]}…, not the one asked for"
        raise RegistryUnavailable(f"{what}: {rule}")


def read_object(what: str, body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise RegistryRefused(f"{what}: it is not JSON") from None
    if not isinstance(document, dict):
        raise RegistryRefused(f"{what}: it is not a JSON object")
    return document


def is_index(what: str, document: Mapping[str, Any]) -> bool:
    """By the document's own words; one that is both index and manifest is refused, for two
    programs could take it for two different images."""
    lists, image = "manifests" in document, "layers" in document or "config" in document
    if lists and image:
        raise RegistryRefused(f"{what}: it is an index and a manifest at once")
    named = str(document.get("mediaType"))
    if (named in INDEX_TYPES and image) or (named in IMAGE_TYPES and lists):
        raise RegistryRefused(f"{what}: its mediaType does not fit what it holds")
    return lists


def read_platforms(what: str, index: Mapping[str, Any]) -> dict[Platform, Digest]:
    """The images of an index by platform; attestations and entries without a platform are left out.

    Where an index names a platform twice (Windows does, by version), the first entry counts, as
    it does for the engines.
    """
    entries = index.get("manifests")
    if not isinstance(entries, list):
        raise RegistryRefused(f"{what}: its list of manifests is not a list")
    found: dict[Platform, Digest] = {}
    for number, entry in enumerate(entries):
        try:
            platform = _platform(entry)
            if platform is not None:
                found.setdefault(platform, Digest.parse(entry["digest"]))
        except (InvalidReference, TypeError, KeyError, AttributeError):
            raise RegistryRefused(f"{what}: entry {number} of the index is not valid") from None
    return found


def _platform(entry: dict[str, Any]) -> Platform | None:
    platform = entry.get("platform")
    if platform is None or _ATTESTATION in (entry.get("annotations") or {}):
        return None
    parts = [platform["os"], platform["architecture"], platform.get("variant") or ""]
    if parts[:2] == ["unknown", "unknown"]:
        return None
    parsed = Platform.parse("/".join(part for part in parts if part))
    return Platform.of(parsed.os, parsed.architecture, parsed.variant)


def read_config_blob(what: str, manifest: Mapping[str, Any]) -> Blob:
    """Where the image config is; raises `RegistryRefused` for an index or something without one."""
    if is_index(what, manifest):
        raise RegistryRefused(f"{what}: it is an index, which has no config: ask for one platform's manifest")
    try:
        config = manifest["config"]
        digest, size = Digest.parse(config["digest"]), config["size"]
    except (InvalidReference, TypeError, KeyError):
        raise RegistryRefused(f"{what}: it names no config, so it is no image that we can read") from None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise RegistryRefused(f"{what}: the size of its config is not a number")
    return Blob(digest, size)


def read_annotations(document: Mapping[str, Any]) -> dict[str, str]:
    annotations = document.get("annotations")
    if not isinstance(annotations, dict):
        return {}
    return {key: value for key, value in annotations.items() if isinstance(value, str)}
