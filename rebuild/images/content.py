"""When two images are the same to whoever runs them: config without volatile fields, plus layers. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from graph.model import BaseContent
from graph.reference import Digest, Platform

# What a container gets from its image (OCI image config, "config"). Dates, history and the names that
# engines write for themselves are left out: they differ from build to build and change nothing that runs.
_FIELDS = (
    "Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels",
    "OnBuild", "Shell", "StopSignal", "User", "Volumes", "WorkingDir",
)  # fmt: skip
_OF_DOCKER = ("Healthcheck", "OnBuild", "Shell")
_VOLATILE_LABELS = frozenset(
    {
        "io.buildah.version",
        "org.opencontainers.image.base.digest",
        "org.opencontainers.image.base.name",
        "org.opencontainers.image.created",
    }
)


def content_id(platform: Platform, config: Mapping[str, Any], diff_ids: Sequence[Digest]) -> Digest:
    """A digest of what runs. `config` is the `config` object of the image, `diff_ids` lowest layer first."""
    kept: dict[str, Any] = {name: config[name] for name in _FIELDS if config.get(name)}
    labels = {k: v for k, v in kept.pop("Labels", {}).items() if k not in _VOLATILE_LABELS}
    if labels:
        kept["Labels"] = labels
    plain = {"platform": str(platform), "config": kept, "layers": [str(digest) for digest in diff_ids]}
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    return Digest("sha256", hashlib.sha256(canonical).hexdigest())


def content_id_of(image_config: Mapping[str, Any]) -> Digest:
    """The same for a whole OCI image config, as a registry gives it."""
    platform = Platform.of(
        str(image_config.get("os", "linux")),
        str(image_config.get("architecture", "")),
        str(image_config.get("variant") or ""),
    )
    return content_id(platform, image_config.get("config") or {}, layers_of(image_config))


def base_content(image_config: Mapping[str, Any]) -> BaseContent:
    """What a build on an image of this config has to know of it."""
    return BaseContent(layers_of(image_config), says_of_docker(image_config.get("config") or {}))


def says_of_docker(config: Mapping[str, Any]) -> bool:
    """Whether a `config` object says what OCI's format leaves out, and docker's hands on."""
    return any(config.get(name) for name in _OF_DOCKER)


def layers_of(image_config: Mapping[str, Any]) -> tuple[Digest, ...]:
    """The uncompressed layers that an image config lists, lowest first."""
    rootfs = image_config.get("rootfs") or {}
    return tuple(Digest.parse(text) for text in rootfs.get("diff_ids") or ())
