"""A helper image out of this machine's own busybox, for where no registry gives the one of the settings."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from rebuild.engines.container import Containers
from rebuild.engines.engine import Engine, EngineError
from rebuild.engines.probe import is_static

_ASK_TIMEOUT_S = 10.0


async def busybox_image(engine: Engine, containers: Containers) -> str | None:
    """The name of it in the engine's storage; None where the machine has no busybox that runs by itself."""
    busybox = await asyncio.to_thread(_static_busybox)
    if busybox is None:
        return None
    program = await asyncio.to_thread(busybox.read_bytes)
    name = f"localhost/tracker/helper:{hashlib.sha256(program).hexdigest()[:16]}"
    if await engine.inspect(name) is None:
        with tempfile.TemporaryDirectory(prefix="tracker-helper-") as folder:
            archive = Path(folder) / "layer.tar"
            await asyncio.to_thread(_pack, busybox, program, archive)
            failed = await containers.import_image(archive, name)
        if failed is not None:
            raise EngineError(f"{engine.name} cannot make an image of {busybox}: {failed.log_tail.strip()}")
    return name


def _static_busybox() -> Path | None:
    found = shutil.which("busybox")
    return Path(found) if found and is_static(Path(found)) else None


def _pack(busybox: Path, program: bytes, into: Path) -> None:
    """One layer: the program, and a link to it for each of its commands."""
    listed = subprocess.run([busybox, "--list"], check=True, capture_output=True, timeout=_ASK_TIMEOUT_S)
    with tarfile.open(into, "w") as layer:
        layer.addfile(_entry("bin/busybox", size=len(program)), io.BytesIO(program))
        for command in listed.stdout.decode().split():
            if command != "busybox":
                layer.addfile(_entry(f"bin/{command}", link="busybox"))
        layer.addfile(_entry("tmp", kind=tarfile.DIRTYPE, mode=0o1777))


def _entry(
    name: str, *, size: int = 0, link: str = "", kind: bytes = tarfile.REGTYPE, mode: int = 0o755
) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    entry.type, entry.linkname = (tarfile.SYMTYPE, link) if link else (kind, "")
    return entry
