"""Reads an image where podman keeps it: a millisecond, where a question to podman takes forty.

The layout is that of containers/storage: a folder for each image, with its manifest, and its config under a
name that stands for its digest. Nobody promises it, so what is not there, or is not what its digest says, is
None here, and podman is to be asked. Calls no program.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graph.record import dataclass
from graph.reference import Digest, Platform
from rebuild.engines.engine import LocalImage
from rebuild.engines.oci_config import oci_config
from rebuild.images.content import layers_of


@dataclass(frozen=True, slots=True)
class Stored:
    """An image in the storage, with the annotations that its manifest will have."""

    image: LocalImage
    annotations: Mapping[str, str]


def stored_image(storage: Path, image_id: Digest) -> Stored | None:
    """The image of that id, where it is found and proves to be it."""
    for folder in storage.glob(f"*-images/{image_id.hex}"):
        try:
            config = (folder / _file_of(str(image_id))).read_bytes()
            manifest = json.loads((folder / "manifest").read_bytes())
        except (OSError, ValueError):
            continue
        if hashlib.sha256(config).hexdigest() == image_id.hex and _names_config(manifest, image_id):
            return Stored(_image(image_id, json.loads(config)), manifest.get("annotations") or {})
    return None


def _file_of(key: str) -> str:
    """containers/storage encodes what is no plain word."""
    return f"={b64encode(key.encode()).decode()}"


def _names_config(manifest: Any, image_id: Digest) -> bool:
    config = manifest.get("config") if isinstance(manifest, dict) else None
    return isinstance(config, dict) and config.get("digest") == str(image_id)


def _image(image_id: Digest, config: Mapping[str, Any]) -> LocalImage:
    platform = Platform.of(config["os"], config["architecture"], config.get("variant") or "")
    return LocalImage(image_id, platform, layers_of(config), oci_config(config.get("config") or {}))
