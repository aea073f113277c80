"""Runs the containers of steps with podman. What podman needs on this machine is the probe's to know."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from graph.reference import ImageRef
from rebuild.engines.container import ContainerLimits
from rebuild.engines.container_commands import PUSH_TIMEOUT_S, ContainerCommands, Found, found_in
from rebuild.engines.engine import CommandFailed, LocalImage, LogSink
from rebuild.engines.opening_line import WithoutOpening
from rebuild.engines.podman_command import Podman
from rebuild.engines.probe import EngineProbe
from rebuild.engines.program import failed
from rebuild.engines.push_bars import push_telling
from rebuild.engines.push_progress import TellPush
from rebuild.engines.surroundings import Surroundings, for_nobody, podman_registries, podman_trust
from rebuild.process import TO_THE_LOG, Ended, Streams
from rebuild.steps.step_place import EngineCalls
from rebuild.uninterrupted import uninterrupted

# aardvark-dns, which podman starts before the first container of a network, where the machine has no
# syslog. It writes to podman's own stream, and has no option to keep it from that.
_NAME_SERVER_LINE = b"failed to connect to syslog: Initialization\n"
_SYSLOG_PLACES = ("/dev/log", "/var/run/syslog")


class PodmanContainers(ContainerCommands):
    """podman, as the probe found it."""

    removal = ("rm", "--force", "--ignore", "--time=0", "--volumes")
    network_removal = ("network", "rm", "--force", "--time=0")

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
        calls = EngineCalls.podman(Podman.of(probe, around), probe)
        limited = replace(calls, run_flags=(*calls.run_flags, *self._limits.flags()))
        super().__init__(limited, can_run=probe.can_run_containers)
        self._probe = probe
        self._around = around

    def with_auth(self, auth_file: Path) -> PodmanContainers:
        return self._like(replace(self._around, auth_file=auth_file))

    def as_nobody(self, auth_file: Path) -> PodmanContainers:
        return self._like(for_nobody(self._around, auth_file))

    def _like(self, around: Surroundings) -> PodmanContainers:
        return PodmanContainers(self._probe, around, self._limits, on_push=self._on_push)

    def variables(self, text: str) -> Mapping[str, str]:
        given = {**self._around.variables(), **podman_registries(self._around, text)}
        if self._around.auth_file is not None:
            given["REGISTRY_AUTH_FILE"] = str(self._around.auth_file)
        return given

    def trust(self) -> Sequence[str]:
        return podman_trust(self._around)

    def listing(self) -> Sequence[str]:
        return ("--format=json",)

    def listed(self, output: bytes) -> Iterator[Found]:
        return (found_in(entry, "Id", "name", "Name") for entry in json.loads(output or b"[]"))

    async def run(
        self,
        argv: Sequence[str],
        name: str,
        log: LogSink,
        *,
        timeout_s: float,
        streams: Streams = TO_THE_LOG,
    ) -> int:
        if streams.stderr is not None and not _has_syslog():
            argv = await self._initialized(argv, name)
        own = WithoutOpening(_NAME_SERVER_LINE, log)
        try:
            return await super().run(argv, name, own, timeout_s=timeout_s, streams=streams)
        finally:
            own.finish()

    async def _initialized(self, argv: Sequence[str], name: str) -> Sequence[str]:
        """Have the network there before the streams of the container lead somewhere, for what the name server
        writes would go there, too; answers what starts it. Where that fails, all at once tells why."""
        at = len(self.calls.program)
        made = await self._captured([*argv[:at], "create", *argv[at + 1 :]])
        if made.exit_code == 0 and (await self.ask("init", name)).exit_code == 0:
            return (*argv[:at], "start", "--attach", name)
        await self.remove(name)
        return argv

    async def push_index(
        self,
        images: Sequence[LocalImage],
        to: ImageRef,
        log: LogSink,
        *,
        pushed: Sequence[ImageRef] = (),
    ) -> CommandFailed | None:
        """The list of the images lives in podman's storage for as long as the push takes."""
        parts = [
            *(f"containers-storage:{image.image_id.hex}" for image in images),
            *(f"docker://{reference}" for reference in pushed),
        ]
        mark = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:24]
        name = f"localhost/tracker/index:{mark}-{len(parts)}"
        try:
            not_made = await self._make_list(name, parts, log)
            return not_made or await self._push_list(name, images, to, log)
        finally:
            await uninterrupted(self.ask("manifest", "rm", name))

    async def _make_list(self, name: str, parts: Sequence[str], log: LogSink) -> CommandFailed | None:
        await self.ask("manifest", "rm", name)  # of an attempt that was killed
        program = self.calls.program
        commands = [
            [*program, "manifest", "create", name],
            *([*program, "manifest", "add", *self.trust(), name, part] for part in parts),
        ]
        for command in commands:
            not_done = await self.finished(command, log, timeout_s=PUSH_TIMEOUT_S)
            if not_done is not None:
                return not_done
        return None

    async def _push_list(
        self, name: str, images: Sequence[LocalImage], to: ImageRef, log: LogSink
    ) -> CommandFailed | None:
        argv = [*self.calls.program, "manifest", "push", "--all", *self.trust(), name, f"docker://{to}"]

        async def run(to_log: LogSink, streams: Streams) -> Ended:
            return await self._run(argv, to_log, timeout_s=PUSH_TIMEOUT_S, streams=streams)

        tell = self._on_push
        ended = await (push_telling(run, images, to, log, tell) if tell else run(log, TO_THE_LOG))
        return None if ended.exit_code == 0 and not ended.timed_out else failed(ended)


def _has_syslog() -> bool:
    return any(Path(place).is_socket() for place in _SYSLOG_PLACES)
