"""The command lines of podman, from what is asked and what the probe found out. Pure; runs nothing."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from graph.record import dataclass
from graph.reference import ImageRef
from rebuild.engines.emulation import this_machine
from rebuild.engines.engine import BuildRequest, EngineError
from rebuild.engines.image_form import ImageForm
from rebuild.engines.probe import CONTAINERS, EngineProbe, Isolation
from rebuild.engines.surroundings import Surroundings
from rebuild.process import in_pid_namespace

_FROM = re.compile(
    r"^[ \t]*FROM[ \t](?:[^\n]*[ \t]AS[ \t]+(?P<name>\S+)[ \t]*\r?$)?", re.IGNORECASE | re.MULTILINE
)
_RUN_ROOT_LONGEST = 50  # podman puts sockets there, and their paths are short


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
    """The volatile part of an own storage: beside it, or where that is too long for podman, in /run.

    It follows from the storage alone, because podman refuses a storage that is given another one.
    """
    if around.storage is None:
        return None
    beside = around.storage.with_name(f"{around.storage.name}-run")
    mark = hashlib.sha256(str(around.storage).encode()).hexdigest()[:12]
    volatile = Path("/run") if os.geteuid() == 0 else Path(around.environment.get("XDG_RUNTIME_DIR", "/tmp"))
    for path in (around.run_root,) if around.run_root else (beside, volatile / f"tracker-{mark}"):
        if len(str(path)) <= _RUN_ROOT_LONGEST:
            return path
    raise EngineError(
        f"{around.run_root or beside} is longer than the {_RUN_ROOT_LONGEST} characters that podman allows",
        hint="give tracker a state folder with a shorter path",
    )


def build(
    podman: Podman,
    request: BuildRequest,
    probe: EngineProbe,
    *,
    build_args: Sequence[str],
    secrets: Sequence[str],
    image_id_file: Path,
    trust: Sequence[str],
    form: ImageForm,
) -> list[str]:
    """The whole command line of a build. `build_args`, `secrets` and `trust` are flags made elsewhere."""
    isolation = probe.isolation or Isolation.CHROOT
    flags = [
        f"--isolation={isolation}",
        *(f"--ulimit={limit}" for limit in probe.build_ulimits),
        *_platform_flags(request),
        f"--format={form}",
        "--layers",
        "--pull=missing",  # bases are pinned by digest: what is here cannot be out of date
        f"--tag={request.tag}",
        f"--iidfile={image_id_file}",
        f"--file={request.dockerfile}",
        *build_args,
        *secrets,
        *trust,
        *_said_of_image(form, request.annotations),
        *request.flags,
    ]
    if request.target is not None:
        flags.append(f"--target={request.target}")
    if request.ignore_file is not None:
        flags.append(f"--ignorefile={request.ignore_file}")
    if request.timestamp is not None:
        flags.append(f"--timestamp={request.timestamp}")
    if request.no_cache:
        flags.append("--no-cache")
    flags += _layer_cache_flags(request)
    # A container is a session of its own and would outlive a build that is killed.
    guard = in_pid_namespace() if probe.ends_with_us and isolation in CONTAINERS else []
    return [*guard, *podman.argv("build", *flags, str(request.context))]


def stage_as_written(dockerfile: str, target: str) -> str:
    """A stage by the name that podman takes: exactly as written, its number only where it has no name."""
    names = [match["name"] for match in _FROM.finditer(dockerfile)]
    if target.isdecimal() and int(target) < len(names):
        return names[int(target)] or target
    return next((name for name in names if name and name.lower() == target.lower()), target)


def _said_of_image(form: ImageForm, annotations: Mapping[str, str]) -> list[str]:
    """Docker's format has no annotations: labels take their place, as they do with docker."""
    flag = "--annotation" if form is ImageForm.OCI else "--label"
    return [f"{flag}={name}={value}" for name, value in annotations.items()]


def _layer_cache_flags(request: BuildRequest) -> list[str]:
    """podman wants a repository, and gives each layer a tag of its own there."""
    if request.layer_cache is None:
        return []
    repository = request.layer_cache.name
    return [f"--cache-to={repository}", *([] if request.no_cache else [f"--cache-from={repository}"])]


def _platform_flags(request: BuildRequest) -> list[str]:
    """None for this machine's own: with `--platform` podman asks the registry even for a base it has. Nor
    where the last stage has another: podman would write into the image what the flag says."""
    is_own = request.platform == this_machine() or request.last_stage is not None
    return [] if is_own else [f"--platform={request.platform}"]


def push(podman: Podman, image_id: str, to: ImageRef, trust: Sequence[str], digest_file: Path) -> list[str]:
    return podman.argv("push", f"--digestfile={digest_file}", *trust, image_id, f"docker://{to}")
