"""The command lines of podman, from what is asked and what the probe found out. Pure; runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graph.reference import ImageRef
from rebuild.engine import BuildRequest
from rebuild.probe import EngineProbe, Isolation
from rebuild.process import in_pid_namespace
from rebuild.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Podman:
    """How to call podman here: its program, its storage, and the options without which nothing starts."""

    program: str
    storage: Path | None = None
    run_root: Path | None = None
    runtime: str | None = None
    cgroup_manager: str | None = None

    @classmethod
    def of(cls, probe: EngineProbe, around: Surroundings) -> Podman:
        return cls(
            probe.program,
            storage=around.storage,
            run_root=run_root(around),
            runtime=probe.runtime,
            cgroup_manager=probe.cgroup_manager,
        )

    def argv(self, *arguments: str) -> list[str]:
        """podman with its global options, then `arguments`."""
        options = {
            "--root": self.storage,
            "--runroot": self.run_root,
            "--runtime": self.runtime,
            "--cgroup-manager": self.cgroup_manager,
        }
        given = (part for name, value in options.items() if value is not None for part in (name, str(value)))
        return [self.program, *given, *arguments]


def run_root(around: Surroundings) -> Path | None:
    """The volatile part of an own storage; podman wants one wherever `--root` is given."""
    if around.storage is None:
        return None
    return around.run_root or around.storage.with_name(f"{around.storage.name}-run")


def build(
    podman: Podman,
    request: BuildRequest,
    probe: EngineProbe,
    *,
    build_args: Sequence[str],
    image_id_file: Path,
    trust: Sequence[str],
    no_cache: bool,
) -> list[str]:
    """The whole command line of a build. `build_args` and `trust` are flags made elsewhere."""
    isolation = probe.isolation or Isolation.CHROOT
    flags = [
        f"--isolation={isolation}",
        *(f"--ulimit={limit}" for limit in probe.build_ulimits),
        f"--platform={request.platform}",
        "--format=oci",
        "--layers",
        "--pull=missing",  # bases are pinned by digest: what is here cannot be out of date
        f"--tag={request.tag}",
        f"--iidfile={image_id_file}",
        f"--file={request.dockerfile}",
        *build_args,
        *trust,
        *(f"--annotation={name}={value}" for name, value in request.annotations.items()),
    ]
    if request.target is not None:
        flags.append(f"--target={request.target}")
    if request.ignore_file is not None:
        flags.append(f"--ignorefile={request.ignore_file}")
    if request.timestamp is not None:
        flags.append(f"--timestamp={request.timestamp}")
    if no_cache:
        flags.append("--no-cache")
    # A container is a session of its own and would outlive a build that is killed.
    guard = in_pid_namespace() if probe.ends_with_us and isolation is Isolation.OCI else []
    return [*guard, *podman.argv("build", *flags, str(request.context))]


def push(podman: Podman, image_id: str, to: ImageRef, trust: Sequence[str]) -> list[str]:
    return podman.argv("push", *trust, image_id, f"docker://{to}")
