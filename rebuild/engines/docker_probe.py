"""Finds out by trying which docker client, builder and network work on this machine. Leaves no image behind.

Since docker 23 the client builds with BuildKit only if its buildx component is installed, and a
machine may have several clients. A daemon without a bridge has no network for BuildKit but the host's.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from graph.errors import InvalidReference
from graph.reference import Platform
from rebuild.engines.emulation import this_machine
from rebuild.engines.engine import EngineError
from rebuild.engines.features import Builder
from rebuild.engines.probe import TRIAL_TIMEOUT_S, EngineProbe, Trial, recall, remember, trial
from rebuild.engines.surroundings import Surroundings
from rebuild.process import Captured, capture

GREETING_TIMEOUT_S = 20.0  # a daemon that is away may leave everybody waiting


class NoClient(EngineError):
    """There is no docker client on PATH."""


async def probe_docker(around: Surroundings, *, afresh: bool = False) -> EngineProbe:
    """What docker can do here: as remembered in `around.folder`, else tried out, which takes seconds.

    Raises `EngineError` if there is no client or no client reaches a daemon.
    """
    answering = await _answering(around)
    if not afresh:
        for found in answering:
            if remembered := recall(around.folder, found.key):
                return remembered
    probe = await _first_that_builds(answering, around)
    if probe.can_build:
        remember(around.folder, probe)
    return probe


async def _answering(around: Surroundings) -> list[EngineProbe]:
    """With each client that reaches the daemon."""
    programs = list(_clients(around.variables().get("PATH", "")))
    if not programs:
        raise NoClient("docker is not installed", hint="on Debian: apt-get install docker.io")
    met = await asyncio.gather(*(greet(program, around) for program in programs))
    answering = [found for found in met if isinstance(found, EngineProbe)]
    if not answering:
        complaint = next(found.complaint for found in met if isinstance(found, Captured))
        raise EngineError(
            f"the docker daemon does not answer: {complaint}", hint="is it running? try `docker info`"
        )
    return answering


def builder_variables(builder: Builder) -> dict[str, str]:
    return {"DOCKER_BUILDKIT": "1" if builder is Builder.BUILDKIT else "0"}


def _clients(path: str) -> Iterator[str]:
    """Every docker client on PATH, each once."""
    seen = set()
    for folder in path.split(os.pathsep):
        program = shutil.which("docker", path=folder)
        if program and (real := Path(program).resolve()) not in seen:
            seen.add(real)
            yield program


async def greet(program: str, around: Surroundings) -> EngineProbe | Captured:
    """What a daemon says of itself to one client; nothing is tried. Else how that client ended."""
    command = [program, *around.docker_options, "version", "--format={{json .}}"]
    answer = await capture(command, env=around.variables(), timeout_s=GREETING_TIMEOUT_S)
    if answer.timed_out:
        return replace(answer, stderr=f"no answer within {GREETING_TIMEOUT_S:g} seconds".encode())
    if answer.exit_code != 0:
        return answer
    try:
        server = json.loads(answer.stdout)["Server"]
        daemon, kernel = str(server["Version"]), str(server.get("KernelVersion") or os.uname().release)
        machine = Platform.parse(f"{server['Os']}/{server['Arch']}")
    except (ValueError, KeyError, TypeError, AttributeError, InvalidReference):
        return replace(answer, stderr=b"it does not answer as a docker daemon does")
    return EngineProbe(
        engine="docker",
        program=program,
        edition=daemon,
        version=daemon,
        builder=Builder.BUILDKIT,
        builder_version=daemon,
        kernel=kernel,
        storage=f"of the daemon at {around.daemon}",
        can_build=False,
        can_run_containers=False,
        machine=str(machine) if around.docker_options else None,
    )


async def _first_that_builds(answering: list[EngineProbe], around: Surroundings) -> EngineProbe:
    """BuildKit with any client comes before the legacy builder."""
    machine = Platform.parse(answering[0].machine) if answering[0].machine else this_machine()
    if machine.os == "windows":
        return _of_windows(answering[0])
    notes: list[str] = []
    name = f"tracker-probe:{secrets.token_hex(6)}"
    with trial(machine.architecture) as made:
        try:
            for builder, found, network in itertools.product(
                (Builder.BUILDKIT, Builder.LEGACY), answering, (None, "host")
            ):
                tried = replace(found, builder=builder, build_network=network)
                answer = await _build(tried, made, name, around)
                if answer.exit_code == 0:
                    runs = await _run(tried, made, name, around, notes)
                    return replace(tried, can_build=True, can_run_containers=runs, notes=tuple(notes))
                on = f"{found.program} with {builder}, network {network or 'as it is'}"
                notes.append(f"a RUN step by {on}: {answer.complaint}")
        finally:
            await _call(answering[0].program, around, "rmi", "--force", name)
    return replace(answering[0], notes=tuple(notes))


def _of_windows(found: EngineProbe) -> EngineProbe:
    """Nothing to try: no program of ours runs on it, nothing is made from scratch, and it has no BuildKit."""
    return replace(found, builder=Builder.LEGACY, can_build=True)


async def _build(probe: EngineProbe, made: Trial, name: str, around: Surroundings) -> Captured:
    network = [f"--network={probe.build_network}"] if probe.build_network else []
    file = made.running if made.runs else made.plain
    flags = ["--no-cache", "--force-rm", f"--tag={name}", f"--file={file}", *network]
    return await _call(
        probe.program, around, "build", *flags, str(made.context), **builder_variables(probe.builder)
    )


async def _run(probe: EngineProbe, made: Trial, name: str, around: Surroundings, notes: list[str]) -> bool:
    if not made.runs:
        return False
    answer = await _call(probe.program, around, "run", "--rm", "--network=none", name, *made.command)
    if answer.exit_code != 0:
        notes.append(f"a container: {answer.complaint}")
    return answer.exit_code == 0


async def _call(program: str, around: Surroundings, *arguments: str, **variables: str) -> Captured:
    return await capture(
        [program, *around.docker_options, *arguments],
        env={**around.variables(), **variables},
        timeout_s=TRIAL_TIMEOUT_S,
    )
