"""Brings an image out of the storage of one engine into that of another. Knows no registry."""

from __future__ import annotations

import tempfile
from pathlib import Path

from graph.errors import TrackerError
from rebuild.engines.engine import Engine, LocalImage


class NotCarried(TrackerError):
    """An image is another one where it was brought to."""


async def carry(name: str, image: LocalImage, source: Engine, target: Engine, *, scratch: Path) -> LocalImage:
    """The image as the target has it, under the same name; its layers are checked to be the same."""
    with tempfile.TemporaryDirectory(prefix="carried-", dir=scratch) as folder:
        archive = Path(folder) / "image.tar"
        await source.save(name, archive)
        brought = await target.load(archive, name)
    if brought.diff_ids != image.diff_ids:
        raise NotCarried(
            f"image {name} of {place_of(source)} has other layers on {place_of(target)}",
            hint="push it to a registry, and let the next run take it from there",
        )
    return brought


def place_of(engine: Engine) -> str:
    """Whose engine it is, for people."""
    return f"worker {engine.worker}" if engine.worker else "this machine"
