"""A real distribution registry on a free loopback port, for tests: Debian's docker-registry."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.reference import Digest

ACCEPTED = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RealRegistry:
    """One registry process; stop and start keep its storage and its port."""

    folder: Path
    port: int
    extra: Mapping[str, Any]
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def access_log(self) -> Path:
        return self.folder / "access.log"

    def start(self) -> None:
        executable = shutil.which("docker-registry")
        assert executable, "docker-registry is missing: run make setup"
        config = self.folder / "registry.json"  # YAML reads JSON
        config.write_text(json.dumps(self._config()))
        with self.access_log.open("ab") as log:
            self.process = subprocess.Popen([executable, "serve", str(config)], stdout=log, stderr=log)
        self._wait()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def digest(self, name: str) -> Digest:
        """What `repository:tag` points to."""
        repository, tag = name.rsplit(":", 1)
        asked = urllib.request.Request(
            f"{self.url}/v2/{repository}/manifests/{tag}",
            headers={"accept": ", ".join(ACCEPTED)},
            method="HEAD",
        )
        with urllib.request.urlopen(asked) as answer:
            return Digest.parse(answer.headers["docker-content-digest"])

    def requests(self) -> list[str]:
        """The request lines that the registry has answered so far, oldest first."""
        lines = self.access_log.read_text(errors="replace").splitlines()
        return [line.split('"')[1] for line in lines if line.count('"') >= 2 and "HTTP/1." in line]

    def _config(self) -> dict[str, Any]:
        base: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": False}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "storage")},
                "delete": {"enabled": True},
            },
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }
        return {**base, **self.extra}

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/v2/", timeout=1).close()
                return
            except urllib.error.HTTPError:
                return  # 401 is an answer too
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"registry did not start: {self.access_log.read_text()[-2000:]}")


@contextlib.contextmanager
def real_registry(folder: Path, **extra: Any) -> Iterator[RealRegistry]:
    """Run a registry; `extra` are top-level keys of its configuration (notifications=…, auth=…)."""
    folder.mkdir(parents=True, exist_ok=True)
    registry = RealRegistry(folder, free_port(), extra)
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()
