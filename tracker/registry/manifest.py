"""What the documents of a registry mean: indexes, manifests, configs. Pure; fetches nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graph.errors import InvalidReference
from graph.model import Manifests, SaidBase
from graph.record import dataclass
from graph.reference import Digest, ImageRef, Platform
from rebuild.images.registry import RegistryRefused, RegistryUnavailable

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
_BASE_NAME, _BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


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


def read_manifests(what: str, digest: Digest, document: Mapping[str, Any]) -> Manifests:
    """What the document of that digest holds, with the bases that it names in its annotations.

    Of an index, the words on a platform's own entry count before those on the whole. What has nothing
    to say is left out of `said`: its config may still tell.
    """
    if not is_index(what, document):
        return Manifests(digest, {}, read_said_base(digest, document.get("annotations")))
    platforms = read_platforms(what, document)
    entries = [entry for entry in document["manifests"] if isinstance(entry, dict)]
    own = {str(entry.get("digest")): entry.get("annotations") for entry in reversed(entries)}
    said: dict[Digest, SaidBase | None] = {}
    for manifest in platforms.values():
        words = read_said_base(manifest, own.get(str(manifest)))
        said |= words or read_said_base(manifest, document.get("annotations"))
    return Manifests(digest, platforms, said or ({} if platforms else {digest: None}))


def read_said_base(manifest: Digest, words: object) -> dict[Digest, SaidBase | None]:
    """The base that a manifest's annotations or labels name: `{manifest: base}`.

    None stands for scratch; where they name no base, or write it wrongly, the mapping is empty.
    """
    if not isinstance(words, dict):
        return {}
    name, digest = words.get(_BASE_NAME), words.get(_BASE_DIGEST)
    if name == "scratch":
        return {manifest: None}
    if not isinstance(name, str) or not isinstance(digest, str | None):
        return {}
    try:
        reference = ImageRef.parse(name)
        named = Digest.parse(digest) if digest else reference.digest
    except InvalidReference:
        return {}
    if named is None or named == manifest:
        return {}
    return {manifest: SaidBase(replace(reference, digest=None) if reference.tag else reference, named)}


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


def check_image_config(what: str, config: Mapping[str, Any]) -> None:
    """Raise `RegistryRefused` where the parts that builds compare are not of the form that OCI gives them."""
    rootfs, inner = config.get("rootfs") or {}, config.get("config") or {}
    try:
        for layer in rootfs.get("diff_ids") or ():
            Digest.parse(layer)
        is_sound = isinstance(inner.get("Labels") or {}, dict)
    except (InvalidReference, TypeError, AttributeError):
        is_sound = False
    if not is_sound:
        raise RegistryRefused(f"{what}: it is not the config of an image")


def read_annotations(document: Mapping[str, Any]) -> dict[str, str]:
    annotations = document.get("annotations")
    if not isinstance(annotations, dict):
        return {}
    return {key: value for key, value in annotations.items() if isinstance(value, str)}


def read_labels(config: Mapping[str, Any]) -> object:
    """The labels of an OCI image config, whatever stands there."""
    inner = config.get("config")
    return inner.get("Labels") if isinstance(inner, dict) else None
