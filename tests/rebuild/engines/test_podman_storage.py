from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path

import pytest

from graph.reference import Digest, Platform
from rebuild.engines.podman_storage import stored_image

CONFIG = json.dumps({"os": "linux", "architecture": "amd64", "config": {"User": "5"}}).encode()
ID = Digest("sha256", hashlib.sha256(CONFIG).hexdigest())
MANIFEST = json.dumps({"config": {"digest": str(ID)}, "annotations": {"a": "1"}}).encode()


def store(storage: Path, *, config: bytes = CONFIG, manifest: bytes = MANIFEST) -> Path:
    folder = storage / "overlay-images" / ID.hex
    folder.mkdir(parents=True)
    (folder / f"={b64encode(str(ID).encode()).decode()}").write_bytes(config)
    (folder / "manifest").write_bytes(manifest)
    return folder


def test_an_image_is_its_config_and_the_annotations_of_its_manifest(tmp_path: Path) -> None:
    store(tmp_path)

    stored = stored_image(tmp_path, ID)

    assert stored and stored.annotations == {"a": "1"}
    assert (stored.image.platform, stored.image.config) == (Platform.parse("linux/amd64"), {"User": "5"})


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{}", b'{"config": {"digest": "another"}}'])
def test_an_image_without_a_manifest_of_its_own_is_not_believed(tmp_path: Path, manifest: bytes) -> None:
    store(tmp_path, manifest=manifest)

    assert stored_image(tmp_path, ID) is None


def test_a_config_that_is_not_what_its_digest_says_is_not_believed(tmp_path: Path) -> None:
    store(tmp_path, config=CONFIG.replace(b"5", b"0"))

    assert stored_image(tmp_path, ID) is None


def test_an_image_in_another_layout_is_not_found(tmp_path: Path) -> None:
    (store(tmp_path) / "manifest").unlink()

    assert stored_image(tmp_path, ID) is None
    assert stored_image(tmp_path / "nothing", ID) is None
