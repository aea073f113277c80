"""Finds out by trying which docker client, builder and network work on this machine. Leaves no image behind.

Since docker 23 the client builds with BuildKit only if its buildx component is installed, and a
machine may have several clients. A daemon without a bridge has no network for BuildKit but the host's.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rebuild.engines.engine import EngineError
from rebuild.engines.features import Builder
from rebuild.engines.probe import TRIAL_TIMEOUT_S, EngineProbe, Trial, recall, remember, trial
from rebuild.engines.surroundings import Surroundings
from rebuild.process import Captured, capture


async def probe_docker(around: Surroundings, *, afresh: bool = False) -> EngineProbe:
    """What docker can do here: as remembered in `around.folder`, else tried out, which takes seconds.

    Raises `EngineError` if there is no client or no client reaches a daemon.
    """
    programs = list(_clients(around.variables().get("PATH", "")))
    if not programs:
        raise EngineError("docker is not installed", hint="on Debian: apt-get install docker.io")
    met = [await _greet(program, around) for program in programs]
    answering = [found for found in met if isinstance(found, EngineProbe)]
    if not answering:
        complaint = next(found.complaint for found in met if isinstance(found, Captured))
        raise EngineError(
            f"the docker daemon does not answer: {complaint}", hint="is it running? try `docker info`"
        )
    if not afresh:
        for found in answering:
            if remembered := recall(around.folder, found.key):
                return remembered
    probe = await _first_that_builds(answering, around)
    if probe.can_build:
        remember(around.folder, probe)
    return probe


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


async def _greet(program: str, around: Surroundings) -> EngineProbe | Captured:
    answer = await _call(program, around, "version", "--format={{json .}}")
    if answer.exit_code != 0:
        return answer
    versions = json.loads(answer.stdout)
    daemon = versions["Server"]["Version"]
    return EngineProbe(
        engine="docker",
        program=program,
        edition=daemon,
        version=daemon,
        builder=Builder.BUILDKIT,
        builder_version=daemon,
        kernel=versions["Server"].get("KernelVersion") or os.uname().release,
        storage=f"of the daemon at {around.variables().get('DOCKER_HOST', 'its usual address')}",
        can_build=False,
        can_run_containers=False,
    )


async def _first_that_builds(answering: list[EngineProbe], around: Surroundings) -> EngineProbe:
    """BuildKit with any client comes before the legacy builder."""
    notes: list[str] = []
    name = f"tracker-probe:{secrets.token_hex(6)}"
    with trial() as made:
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


async def _build(probe: EngineProbe, made: Trial, name: str, around: Surroundings) -> Captured:
    network = [f"--network={probe.build_network}"] if probe.build_network else []
    flags = ["--no-cache", "--force-rm", f"--tag={name}", f"--file={made.running}", *network]
    return await _call(
        probe.program, around, "build", *flags, str(made.context), **builder_variables(probe.builder)
    )


async def _run(probe: EngineProbe, made: Trial, name: str, around: Surroundings, notes: list[str]) -> bool:
    answer = await _call(probe.program, around, "run", "--rm", "--network=none", name, *made.command)
    if answer.exit_code != 0:
        notes.append(f"a container: {answer.complaint}")
    return answer.exit_code == 0


async def _call(program: str, around: Surroundings, *arguments: str, **variables: str) -> Captured:
    return await capture(
        [program, *arguments], env={**around.variables(), **variables}, timeout_s=TRIAL_TIMEOUT_S
    )
