"""Real engines for tests: podman in a storage of its own, and a docker daemon started by hand."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rebuild.engines.podman_command import Podman
from rebuild.engines.probe_program import program
from rebuild.engines.surroundings import Surroundings

DOCKER = "/usr/bin/docker"


@contextlib.contextmanager
def podman_storage(folder: Path) -> Iterator[Surroundings]:
    """A podman storage in `folder`, emptied and unmounted at the end; the machine's own is not touched."""
    executable = shutil.which("podman")
    assert executable, "podman is missing: run make setup"
    run_root = Path(tempfile.mkdtemp(prefix="podman-run-"))  # podman wants it short
    around = Surroundings(folder / "state", storage=folder / "storage", run_root=run_root)
    try:
        yield around
    finally:
        clear_storage(executable, folder / "storage", run_root)
        shutil.rmtree(run_root, ignore_errors=True)


def clear_storage(podman_program: str, storage: Path, run_root: Path) -> None:
    """Remove all that is in a podman storage, and unmount what it mounted."""
    podman = Podman(podman_program, storage, run_root)
    subprocess.run(podman.argv("rm", "--all", "--force"), capture_output=True, check=False)
    subprocess.run(podman.argv("rmi", "--all", "--force"), capture_output=True, check=False)
    for place in (storage, run_root):
        for mounted in _mounts_under(place):
            subprocess.run(["umount", "--lazy", mounted], check=False)


@dataclass
class RealDocker:
    """A docker daemon on a socket of its own."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        return f"unix://{self.folder / 'socket'}"

    def stop(self) -> None:
        """End the daemon and the containerd that it started, by their process ids."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def docker_daemon(folder: Path, *more_options: str, firewall: bool = False) -> Iterator[RealDocker]:
    """Debian's dockerd without a network of its own: it changes no firewall and makes no bridge. With
    `firewall` it does both: for a network namespace of its own alone."""
    executable = shutil.which("dockerd")
    assert executable, "dockerd is missing: run make setup"
    folder.mkdir(parents=True)
    log = (folder / "log").open("wb")
    options = [
        f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'pid'}",
        f"--host=unix://{folder / 'socket'}",
        *([] if firewall else ["--iptables=false", "--ip6tables=false", "--bridge=none"]),
        *more_options,
    ]
    process = subprocess.Popen([executable, *options], stdout=log, stderr=log, start_new_session=True)
    docker = RealDocker(folder, process)
    try:
        _wait(docker)
        yield docker
    finally:
        docker.stop()
        log.close()
        for mounted in _mounts_under(folder):
            subprocess.run(["umount", "--lazy", mounted], check=False)


def context(folder: Path, dockerfile: str, **files: str) -> Path:
    """A build context: a static program called `probe` for this machine, a Dockerfile, and `files`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    for architecture in ("amd64", "arm64"):
        executable = folder / f"probe-{architecture}"
        executable.write_bytes(program(architecture) or b"")
        executable.chmod(0o755)
    busybox = shutil.which("busybox")
    assert busybox, "busybox-static is missing: run make setup"
    shutil.copy(busybox, folder / "busybox")
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def _wait(docker: RealDocker) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        asked = subprocess.run([DOCKER, "--host", docker.host, "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return
        if docker.process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"dockerd did not start: {(docker.folder / 'log').read_text()[-2000:]}")


def _mounts_under(folder: Path) -> list[str]:
    """Mount points in `folder`, innermost first."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(f"{folder}/")), key=len, reverse=True)
