"""The `config` object of an OCI image config, out of what an engine's `inspect` prints. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The image specification's fields, and those of docker's that engines carry along in an image.
_FIELDS = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels",
           "StopSignal", "ArgsEscaped", "Healthcheck", "OnBuild", "Shell")  # fmt: skip


def oci_config(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """Only what the image says: docker also prints the fields of a container, and empty ones."""
    return {name: inspected[name] for name in _FIELDS if inspected.get(name)}
