"""What podman's cache of layers does not notice, and how far a build may use it. Calls no program.

buildah looks a layer up by the instruction, and by the layers and the history below it. What a `RUN --mount`
brings from another stage or out of the context is in neither (containers/buildah#6609, #5400): such a layer
would be taken although a base below that stage has moved.
"""

from __future__ import annotations

import re
from dataclasses import replace

from rebuild.engines.engine import BuildRequest, CommandFailed, LogSink
from rebuild.engines.features import Version
from rebuild.engines.podman_storage import Stored

_MOUNT = re.compile(r"--mount=(?P<value>\S+)")
_WITH_CONTENT = frozenset({"bind", "cache"})
_REGISTRY_CACHE_SINCE: Version = (1, 28)  # buildah's version; podman 4.3
_NOT_WRITTEN = "failed pushing cache to"


def limited(request: BuildRequest, dockerfile: str, builder_version: Version, log: LogSink) -> BuildRequest:
    """The request with as much use of cached layers as is safe and possible; what is left out is told."""
    if request.timestamp is not None:  # a cached layer would carry another one
        return replace(request, no_cache=True, layer_cache=None)
    unseen = unseen_mount(dockerfile)
    if unseen is not None and not (request.no_cache and request.layer_cache is None):
        log(
            f"no layer is taken from an earlier build: podman does not notice what {unseen} brings\n".encode()
        )
    if unseen is not None:
        return replace(request, no_cache=True, layer_cache=None)
    if request.layer_cache is not None and builder_version < _REGISTRY_CACHE_SINCE:
        log(b"layers stay on this machine: podman keeps them in a registry from 4.3 on\n")
        return replace(request, layer_cache=None)
    return request


def unseen_mount(dockerfile: str) -> str | None:
    """The first mount whose content is no part of the key that a layer is looked up by."""
    found = (match for match in _MOUNT.finditer(dockerfile) if _is_unseen(match["value"]))
    return next((f"RUN {match[0]}" for match in found), None)


def not_written(failed: CommandFailed) -> str | None:
    """podman's reason where a build failed for nothing but a registry that took no layer."""
    reasons = (line for line in failed.log_tail.splitlines() if _NOT_WRITTEN in line)
    return next(reasons, None) if not failed.timed_out else None


def fault_of(made: Stored, request: BuildRequest) -> str | None:
    """The cache of layers takes no notice of annotations, nor of the platform where no base has one."""
    if not made.image.platform.is_kin_of(request.image_platform):
        return f"is for {made.image.platform}"
    labels = made.image.config.get("Labels") or {}
    if not request.annotations.items() <= {**labels, **made.annotations}.items():
        return "carries other annotations"
    return None


def _is_unseen(value: str) -> bool:
    """One that is pinned by digest is in the text of the instruction, and so is noticed."""
    parts = (part.strip("\"'").partition("=") for part in value.split(","))
    fields = {name.lower(): content.strip("\"'") for name, _, content in parts}
    kind, source = fields.get("type", "bind").lower(), fields.get("from")
    if kind not in _WITH_CONTENT and "$" not in kind:
        return False
    return kind != "cache" if source is None else "@sha256:" not in source
