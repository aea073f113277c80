"""Runs the containers of steps with docker.

Steps find each other by name only where the daemon manages iptables: started with `--iptables=false` its
networks have no names, and containers on them reach nothing outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from graph.reference import ImageRef
from rebuild.engines.container import ContainerLimits
from rebuild.engines.container_commands import PUSH_TIMEOUT_S, ContainerCommands, Found, found_in, json_lines
from rebuild.engines.engine import CommandFailed, LocalImage, LogSink
from rebuild.engines.probe import EngineProbe
from rebuild.engines.push_progress import DockerLines, TellPush
from rebuild.engines.surroundings import Surroundings, docker_config, loopback_registries
from rebuild.steps.step_build import platform_name
from rebuild.steps.step_place import EngineCalls
from rebuild.uninterrupted import uninterrupted


class DockerContainers(ContainerCommands):
    """docker, as the probe found it."""

    removal = ("rm", "--force", "--volumes")
    network_removal = ("network", "rm")

    def __init__(
        self,
        probe: EngineProbe,
        around: Surroundings,
        limits: ContainerLimits | None = None,
        *,
        on_push: TellPush | None = None,
    ) -> None:
        self._on_push = on_push
        self._limits = limits or ContainerLimits()
        calls = EngineCalls.docker(probe)
        limited = replace(calls, run_flags=(*calls.run_flags, *self._limits.flags()))
        super().__init__(limited, can_run=probe.can_run_containers)
        self._probe = probe
        self._around = around
        self._variables = around.variables()
        if around.auth_file is not None:
            self._variables["DOCKER_CONFIG"] = str(docker_config(around.folder, around.auth_file))

    def with_auth(self, auth_file: Path) -> DockerContainers:
        return self._like(replace(self._around, auth_file=auth_file))

    def as_nobody(self, auth_file: Path) -> DockerContainers:
        return self.with_auth(auth_file)  # docker reads no other

    def _like(self, around: Surroundings) -> DockerContainers:
        return DockerContainers(self._probe, around, self._limits, on_push=self._on_push)

    def variables(self, text: str) -> Mapping[str, str]:
        return self._variables

    def trust(self) -> Sequence[str]:
        return ()

    def listing(self) -> Sequence[str]:
        return ("--format={{json .}}",)

    def listed(self, output: bytes) -> Iterator[Found]:
        return (found_in(entry, "ID") for entry in json_lines(output))

    async def push_index(
        self,
        images: Sequence[LocalImage],
        to: ImageRef,
        log: LogSink,
        *,
        pushed: Sequence[ImageRef] = (),
    ) -> CommandFailed | None:
        """docker keeps no indexes: each image is pushed under a name of its own, then the list of them."""
        program = self.calls.program
        parts = {platform_name(str(to), image.platform): image for image in images}
        insecure = ["--insecure"] if loopback_registries(str(to)) else []
        commands: list[list[str]] = []
        for part, image in parts.items():
            commands += [
                [*program, "tag", str(image.image_id), part],
                [*program, "push", part],
            ]
        commands += [
            [*program, "manifest", "create", *insecure, "--amend", str(to), *parts, *map(str, pushed)],
            [*program, "manifest", "push", "--purge", *insecure, str(to)],
        ]
        tell = self._on_push
        if tell is not None:
            layers = {layer for image in images for layer in image.diff_ids}
            log = DockerLines(to, layers=len(layers), log=log, tell=tell)
        try:
            for command in commands:
                failed = await self.finished(command, log, timeout_s=PUSH_TIMEOUT_S)
                if failed is not None:
                    return failed
            return None
        finally:
            if tell is not None:
                tell(None)
            if parts:
                await uninterrupted(self.ask("rmi", "--no-prune", *parts))
