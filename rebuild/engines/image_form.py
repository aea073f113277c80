"""In which of its two formats podman writes an image. Knows the Dockerfile's text, no command line.

OCI's has annotations and no place for three instructions: podman then leaves out what the Dockerfile says by
them, with a warning, and without one what the base says. docker's has a place for them, and for labels alone.
"""

from __future__ import annotations

import re
from enum import StrEnum

_OF_DOCKER = re.compile(r"^[ \t]*(?:HEALTHCHECK|ONBUILD|SHELL)\b", re.IGNORECASE | re.MULTILINE)


class ImageForm(StrEnum):
    """By its name in `podman build --format`."""

    OCI = "oci"
    DOCKER = "docker"


def form_of(dockerfile: str, *, base_of_docker: bool = False) -> ImageForm:
    """The format that holds all that the Dockerfile and its base say: OCI's where it does."""
    return ImageForm.DOCKER if base_of_docker or _OF_DOCKER.search(dockerfile) else ImageForm.OCI
