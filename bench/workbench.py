"""A registry, a base in it, and tracker's command with a state and a storage of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.real_registry import RealRegistry, free_port, real_registry


@dataclass(frozen=True, slots=True)
class Workbench:
    """Where one measurement happens."""

    folder: Path
    registry: RealRegistry
    listen: str
    environment: dict[str, str]

    def tracker(self, *arguments: str) -> None:
        command = [str(Path(sys.executable).with_name("tracker")), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"tracker {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")

    def podman(self, *arguments: str) -> None:
        """podman on the storage that tracker uses too, with the options that work on this machine."""
        places = [
            "--root",
            f"{self.folder}/storage",
            "--runroot",
            f"{self.folder}/storage-run",
            "--runtime",
            "runc",
        ]
        subprocess.run(["podman", *places, *arguments], check=True, capture_output=True)

    def context(self, name: str, dockerfile: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text(dockerfile)
        return folder


@contextlib.contextmanager
def workbench(folder: Path) -> Iterator[Workbench]:
    """Push `base:1`, a busybox, and hand out the tools."""
    with real_registry(folder / "registry") as registry:
        listen = f"127.0.0.1:{free_port()}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER")}
        environment |= {
            "TRACKER_STATE": str(folder / "state"),
            "TRACKER__ENGINE": "podman",
            "TRACKER__ENGINE_STORAGE": str(folder / "storage"),
            "TRACKER__SERVE__LISTEN": listen,
        }
        bench = Workbench(folder, registry, listen, environment)
        context = bench.context("base", "FROM scratch\nCOPY busybox /bin/sh\n")
        shutil.copy(shutil.which("busybox") or "/bin/busybox", context / "busybox")
        bench.podman("build", "-t", f"{registry.host}/base:1", str(context))
        bench.podman("push", "--tls-verify=false", f"{registry.host}/base:1")
        yield bench
