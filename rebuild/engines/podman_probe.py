"""Finds out by trying which podman options work on this machine. Leaves no image and no container behind.

Machines differ in what they let a container do: some runtimes refuse some cgroup layouts, and a
process without CAP_SYS_RESOURCE may not ask for the limits that podman asks for by itself. Nothing
tells this beforehand, so the combinations are tried, plainest first, until one works.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from graph.record import dataclass
from rebuild.engines.engine import EngineError
from rebuild.engines.features import Builder
from rebuild.engines.podman_command import Podman, run_root
from rebuild.engines.probe import (
    CONTAINERS,
    TRIAL_TIMEOUT_S,
    EngineProbe,
    Isolation,
    Trial,
    recall,
    remember,
    trial,
)
from rebuild.engines.surroundings import Surroundings, find_program
from rebuild.process import Captured, capture, dies_with_parent, in_pid_namespace

_RUNTIMES = ("runc", "crun")
_PROCESSES = 32768  # podman lowers its own limit to that, whatever it was started with


@dataclass(frozen=True, slots=True)
class _Manner:
    """One combination of options to try."""

    runtime: str | None = None
    cgroup_manager: str | None = None
    ulimits: tuple[str, ...] = ()

    def __str__(self) -> str:
        options = {"--runtime": self.runtime, "--cgroup-manager": self.cgroup_manager}
        given = [f"{name} {value}" for name, value in options.items() if value]
        return " ".join([*given, *(f"--ulimit {limit}" for limit in self.ulimits)]) or "no options"


async def probe_podman(around: Surroundings, *, afresh: bool = False) -> EngineProbe:
    """What podman can do here: as remembered in `around.folder`, else tried out, which takes seconds.

    Raises `EngineError` if podman is missing or does not answer.
    """
    program = find_program("podman", around.variables())
    if program is None:
        raise EngineError("podman is not installed", hint="on Debian: apt-get install podman runc netavark")
    found = _found(Path(program), around)
    remembered = None if afresh else recall(around.folder, found.key)
    if remembered is not None:
        return remembered
    probe = await _Attempts(await _greeted(found, around), around).all()
    if probe.can_build:  # a machine that can do nothing may be better tomorrow
        remember(around.folder, probe)
    return probe


def _found(program: Path, around: Surroundings) -> EngineProbe:
    """What the remembered outcome hangs on. Starts nothing: even to ask its version takes podman long."""
    file = program.stat()
    return EngineProbe(
        engine="podman",
        program=str(program),
        edition=f"{file.st_size} bytes of {file.st_mtime_ns}",
        version="",
        builder=Builder.BUILDAH,
        builder_version="",
        kernel=os.uname().release,
        storage=str(around.storage or "the user's own"),
        can_build=False,
        can_run_containers=False,
    )


async def _greeted(found: EngineProbe, around: Surroundings) -> EngineProbe:
    podman = Podman(found.program, around.storage, run_root(around))
    answer = await _call(podman, around, "version", "--format=json")
    if answer.exit_code != 0:
        raise _does_not_work(found.program, answer)
    return replace(found, version=json.loads(answer.stdout)["Client"]["Version"])


def _does_not_work(program: str, answer: Captured) -> EngineError:
    return EngineError(
        f"{program} does not work: {answer.complaint}", hint="try `podman info` as the same user"
    )


class _Attempts:
    """One probing: what is tried, and the notes of what failed."""

    def __init__(self, found: EngineProbe, around: Surroundings) -> None:
        self._found = found
        self._around = around
        self._plain = f"localhost/tracker-probe:{secrets.token_hex(6)}"
        self._running = f"{self._plain}-run"
        self._notes: list[str] = []
        known = (name for name in _RUNTIMES if find_program(name, _with_sbin(around.variables())))
        self._runtimes: tuple[str | None, ...] = (None, *known)

    async def all(self) -> EngineProbe:
        buildah = await self._buildah()
        with trial() as made:
            try:
                manner = await self._container(made)
                isolation, build_manner = await self._build_step(made, manner)
            finally:
                await self._clear()
        ends_with_us = await self._ends_with_us(isolation)
        return replace(
            self._found,
            builder_version=buildah,
            can_build=isolation is not None,
            can_run_containers=manner is not None,
            isolation=isolation,
            runtime=(manner or build_manner).runtime,
            cgroup_manager=(manner or build_manner).cgroup_manager,
            ulimits=manner.ulimits if manner else (),
            build_ulimits=build_manner.ulimits,
            ends_with_us=ends_with_us,
            notes=tuple(self._notes),
        )

    async def _buildah(self) -> str:
        """The version of the builder inside; podman does not tell it if its own runtime is missing."""
        for runtime in self._runtimes:
            answer = await self._podman(_Manner(runtime), "info", "--format=json")
            if answer.exit_code == 0:
                return str(json.loads(answer.stdout)["host"]["buildahVersion"])
        raise _does_not_work(self._found.program, answer)

    async def _container(self, made: Trial) -> _Manner | None:
        """The first manner in which a container starts."""
        plain = await self._build(made, made.plain, _Manner(), Isolation.CHROOT)
        if plain.exit_code != 0:
            self._notes.append(f"building an image of one file: {plain.complaint}")
            return None
        for manner in _manners(self._runtimes):
            run = ["run", "--rm", "--network=none", "--log-driver=none", *_ulimit_flags(manner)]
            answer = await self._podman(manner, *run, self._plain, *made.command)
            if answer.exit_code == 0:
                return manner
            self._notes.append(f"a container with {manner}: {answer.complaint}")
        return None

    async def _build_step(self, made: Trial, manner: _Manner | None) -> tuple[Isolation | None, _Manner]:
        """The first manner in which a RUN step works; a container for each step is preferred."""
        bare = [_Manner(manner.runtime)] if manner else [_Manner(runtime) for runtime in self._runtimes]
        kept = [replace(way, cgroup_manager=manner.cgroup_manager) for way in bare] if manner else bare
        for isolation, way in itertools.product(_isolations(), kept):
            for limits in ((), _own_limits()):
                tried = replace(way, ulimits=limits)
                answer = await self._build(made, made.running, tried, isolation)
                if answer.exit_code == 0:
                    return isolation, tried
                self._notes.append(f"a RUN step with --isolation {isolation}, {tried}: {answer.complaint}")
        return None, _Manner()

    async def _build(self, made: Trial, file: Path, manner: _Manner, isolation: Isolation) -> Captured:
        name = self._plain if file == made.plain else self._running
        flags = [f"--isolation={isolation}", "--no-cache", "--layers=false", *_ulimit_flags(manner)]
        return await self._podman(
            manner, "build", *flags, f"--tag={name}", f"--file={file}", str(made.context)
        )

    async def _podman(self, manner: _Manner, *arguments: str) -> Captured:
        podman = Podman(
            self._found.program,
            self._around.storage,
            run_root(self._around),
            manner.runtime,
            manner.cgroup_manager,
        )
        return await _call(podman, self._around, *arguments)

    async def _clear(self) -> None:
        await self._podman(_Manner(), "rmi", "--ignore", "--force", self._running, self._plain)

    async def _ends_with_us(self, isolation: Isolation | None) -> bool:
        if not dies_with_parent():
            self._notes.append("setpriv is not installed: a build goes on if this program is killed")
            return False
        if isolation not in CONTAINERS:
            return True
        guard = [*in_pid_namespace(), "true"]
        try:
            answer = await capture(guard, env=self._around.variables(), timeout_s=TRIAL_TIMEOUT_S)
        except FileNotFoundError:
            answer = Captured(127, b"", b"unshare is not installed")
        if answer.exit_code != 0:
            self._notes.append(f"a RUN step goes on if this program is killed: {answer.complaint}")
        return answer.exit_code == 0


def _isolations() -> tuple[Isolation, ...]:
    """Those that keep a step apart best come first; root has no need of what ordinary users may do."""
    return tuple(way for way in Isolation if way is not Isolation.ROOTLESS or os.geteuid() != 0)


def _with_sbin(variables: dict[str, str]) -> dict[str, str]:
    """podman looks for runtimes where ordinary users have no PATH to."""
    return {"PATH": f"{variables['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"}


def _manners(runtimes: Sequence[str | None]) -> Iterator[_Manner]:
    """Every combination, the one that changes least first."""
    ways = itertools.product(runtimes, (None, "cgroupfs"), ((), _own_limits()))
    manners = (_Manner(runtime, manager, limits) for runtime, manager, limits in ways)
    yield from sorted(manners, key=lambda way: sum(map(bool, (way.runtime, way.cgroup_manager, way.ulimits))))


def _own_limits() -> tuple[str, ...]:
    """Limits that this process may ask for without any privilege."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    processes = _PROCESSES if processes == resource.RLIM_INFINITY else min(processes, _PROCESSES)
    return f"nofile={files}:{files}", f"nproc={processes}:{processes}"


def _ulimit_flags(manner: _Manner) -> list[str]:
    return [f"--ulimit={limit}" for limit in manner.ulimits]


async def _call(podman: Podman, around: Surroundings, *arguments: str) -> Captured:
    return await capture(podman.argv(*arguments), env=around.variables(), timeout_s=TRIAL_TIMEOUT_S)
