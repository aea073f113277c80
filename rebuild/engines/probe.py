"""What an engine can do on this machine, found out by trying, and remembered. Knows no engine's flags."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, fields
from enum import StrEnum
from pathlib import Path

from graph.record import dataclass
from rebuild.engines.emulation import this_machine
from rebuild.engines.features import Builder
from rebuild.engines.probe_program import SAYS, program

TRIAL_TIMEOUT_S = 60.0

_FILE = "engine-probe.json"
_INTERPRETER_SEGMENT = 3


class Isolation(StrEnum):
    """How podman keeps a RUN step apart from the machine."""

    OCI = "oci"  # as a container, by an OCI runtime
    ROOTLESS = "rootless"  # the same, as an ordinary user may start one
    CHROOT = "chroot"  # in a changed root, with the machine's processes and network; works without a runtime


CONTAINERS = frozenset({Isolation.OCI, Isolation.ROOTLESS})


@dataclass(frozen=True, slots=True)
class EngineProbe:
    """What works, and what was tried and did not (`notes`, one sentence each)."""

    engine: str  # "podman" or "docker"
    program: str
    edition: str  # tells one release of it from another; cheaper to know than the version
    version: str
    builder: Builder
    builder_version: str  # what the table of features goes by
    kernel: str
    storage: str
    can_build: bool  # RUN steps included
    can_run_containers: bool
    isolation: Isolation | None = None  # of RUN steps; podman's
    runtime: str | None = None  # None is the engine's own choice; so below
    cgroup_manager: str | None = None
    ulimits: tuple[str, ...] = ()  # that a container must be given
    build_ulimits: tuple[str, ...] = ()
    build_network: str | None = None
    machine: str | None = None  # the platform of a daemon on another machine, as it says itself
    ends_with_us: bool = True  # whether nothing of a build outlives this program, even if it is killed
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Where one of these differs, what worked before says nothing."""
        whose = (str(os.geteuid()), *_privileges())
        return "|".join((self.engine, self.program, self.edition, self.kernel, self.storage, *whose))


@dataclass(frozen=True, slots=True)
class Trial:
    """A context whose Dockerfile makes an image of one static program and runs it."""

    context: Path
    command: tuple[str, ...]  # runs the program, inside the image

    @property
    def runs(self) -> bool:
        """Whether there is a program for that architecture."""
        return is_static(self.context / "probe")

    @property
    def plain(self) -> Path:
        """The Dockerfile that only copies."""
        return self.context / "Dockerfile.plain"

    @property
    def running(self) -> Path:
        """The Dockerfile with a RUN step."""
        return self.context / "Dockerfile.run"


@contextlib.contextmanager
def trial(architecture: str | None = None) -> Iterator[Trial]:
    """A trial in a folder of its own, gone afterwards; None is the architecture of this machine."""
    with tempfile.TemporaryDirectory(prefix="tracker-probe-") as name:
        context = Path(name)
        command = ("/probe", *_put_program(context / "probe", architecture or this_machine().architecture))
        (context / "probe").chmod(0o755)
        made = Trial(context, command)
        made.plain.write_text("FROM scratch\nCOPY probe /probe\n")
        made.running.write_text(f"{made.plain.read_text()}RUN {json.dumps(command)}\n")
        yield made


def recall(folder: Path, key: str) -> EngineProbe | None:
    """What was found out before under that key; None where it was not, or cannot be read."""
    stored = _stored(folder).get(key)
    try:
        return _from_json(stored) if isinstance(stored, dict) else None
    except (TypeError, ValueError):  # written by another version of this program
        return None


def remember(folder: Path, probe: EngineProbe) -> None:
    """Keep it for the next start; a file that cannot be written costs only time."""
    kept = {**_stored(folder), probe.key: asdict(probe)}
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{_FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(kept, indent=1))
    temporary.replace(folder / _FILE)


def _privileges() -> list[str]:
    """What this process may do: a service is often allowed less than a shell of the same user."""
    wanted = ("CapBnd:", "CapEff:", "NoNewPrivs:", "Seccomp:")
    lines = Path("/proc/self/status").read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith(wanted)]


def _stored(folder: Path) -> dict[str, object]:
    try:
        stored = json.loads((folder / _FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _from_json(stored: dict[str, object]) -> EngineProbe:
    if stored.keys() != {field.name for field in fields(EngineProbe)}:
        raise ValueError("another set of fields")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    isolation = values["isolation"]
    return EngineProbe(
        **{
            **values,
            "builder": Builder(str(values["builder"])),
            "isolation": None if isolation is None else Isolation(str(isolation)),
        }  # type: ignore[arg-type]  # the names are checked, and this program wrote the values
    )


def _put_program(target: Path, architecture: str) -> tuple[str, ...]:
    """Write a static program there; answers the arguments that it needs."""
    own = program(architecture)
    if own is not None:
        target.write_bytes(own)
        return ()
    if architecture != this_machine().architecture:
        target.write_text(SAYS)
        return ()
    known: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("busybox", ("echo", SAYS)),
        ("catatonit", ("--version",)),
        ("/usr/libexec/podman/catatonit", ("--version",)),
    )
    for name, arguments in known:
        path = shutil.which(name)
        if path and is_static(Path(path)):
            shutil.copyfile(path, target)
            return arguments
    raise FileNotFoundError("a static program to try the engine with: install busybox-static")


def is_static(path: Path) -> bool:
    """Whether the kernel starts it without a dynamic linker, which an empty image has not."""
    text = path.read_bytes()
    if text[:4] != b"\x7fELF":
        return False
    wide, order = text[4] == 2, "<" if text[5] == 1 else ">"
    table = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", text, 32 if wide else 28)[0]
    size, count = struct.unpack_from(f"{order}HH", text, 54 if wide else 42)
    kinds = (struct.unpack_from(f"{order}I", text, table + index * size)[0] for index in range(count))
    return _INTERPRETER_SEGMENT not in kinds
