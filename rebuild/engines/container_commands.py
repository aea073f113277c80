"""Containers by the command line that podman and docker have in common. Their differences are not here."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graph.record import dataclass
from graph.reference import ImageRef, Platform
from rebuild.engines.container import ContainerTrouble
from rebuild.engines.emulation import this_machine
from rebuild.engines.engine import CommandFailed, EngineError, LogSink
from rebuild.process import TO_THE_LOG, Captured, Ended, Streams, capture, run
from rebuild.steps.step_place import FOLDER_LABEL, EngineCalls
from rebuild.uninterrupted import uninterrupted

ASK_TIMEOUT_S = 120.0
PULL_TIMEOUT_S = 1800.0
PUSH_TIMEOUT_S = 3600.0

_FOREVER_S = 366 * 86400.0
_OWN_END_S = 2.0
_REMOVALS_MOST = 10
_ENDING_S = 0.3


@dataclass(frozen=True, slots=True)
class Found:
    """A container or network of some run."""

    id: str
    folder: str  # of its run; "" where it has no label


class ContainerCommands(ABC):
    """One engine's command line."""

    removal: tuple[str, ...]  # `rm` so that nothing is waited for
    network_removal: tuple[str, ...]

    def __init__(self, calls: EngineCalls, *, can_run: bool) -> None:
        self.calls = calls
        self._can_run = can_run

    @abstractmethod
    def variables(self, text: str) -> Mapping[str, str]:
        """The environment of the engine's process; `text` names the images that are at stake."""

    @abstractmethod
    def trust(self) -> Sequence[str]:
        """Flags of `pull` and `push` for logins and certificates."""

    @abstractmethod
    def listed(self, output: bytes) -> Iterator[Found]:
        """What `ps` and `network ls` have printed as JSON."""

    @abstractmethod
    def listing(self) -> Sequence[str]:
        """Flags of `ps` and `network ls` for that."""

    def check(self) -> None:
        if not self._can_run:
            raise EngineError(
                f"{self.calls.kind} cannot run containers on this machine, which steps with cmd need",
                hint="`tracker doctor` prints what was tried",
            )

    async def pull(self, image: ImageRef, platform: Platform, log: LogSink) -> CommandFailed | None:
        other = [f"--platform={platform}"] if platform != this_machine() else []
        argv = [*self.calls.program, "pull", *other, *self.trust(), str(image)]
        return await self.finished(argv, log, timeout_s=PULL_TIMEOUT_S)

    async def import_image(self, archive: Path, name: str) -> CommandFailed | None:
        answer = await self.ask("import", str(archive), name)
        return None if answer.exit_code == 0 else CommandFailed(answer.exit_code, answer.complaint)

    async def image_names(self, pattern: str) -> tuple[str, ...]:
        flags = ("--format={{.Repository}}:{{.Tag}}", f"--filter=reference={pattern}")
        answer = await self.ask("images", *flags)
        if answer.exit_code != 0:
            raise ContainerTrouble(f"{self.calls.kind} cannot list images: {answer.complaint}")
        return tuple(answer.stdout.decode().split())

    async def make_network(self, argv: Sequence[str]) -> None:
        answer = await self._captured(argv)
        if answer.exit_code != 0:
            raise ContainerTrouble(
                f"{self.calls.kind} cannot make the network of the run: {answer.complaint}",
                hint="`tracker doctor` tells what works here; on Debian podman needs netavark, aardvark-dns",
            )

    async def run(
        self,
        argv: Sequence[str],
        name: str,
        log: LogSink,
        *,
        timeout_s: float,
        streams: Streams = TO_THE_LOG,
    ) -> int:
        running = asyncio.create_task(self._run(argv, log, timeout_s=timeout_s, streams=streams))
        try:
            ended = await asyncio.shield(running)
        except asyncio.CancelledError:
            # The container first: its process is none of ours, and with it the engine's command ends, too.
            await uninterrupted(self._end(name, running))
            raise
        if ended.timed_out:
            await self.remove(name)
        return ended.exit_code

    async def start(self, argv: Sequence[str], name: str) -> CommandFailed | None:
        starting = asyncio.create_task(self._captured(argv))
        try:
            answer = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await uninterrupted(self._end(name, starting))
            raise
        if answer.exit_code == 0:
            return None
        return CommandFailed(answer.exit_code, answer.stderr.decode(errors="replace"), answer.timed_out)

    async def follow(self, name: str, log: LogSink) -> int | None:
        await self._run([*self.calls.program, "logs", "--follow", name], log, timeout_s=_FOREVER_S)
        answer = await self.ask("inspect", "--type=container", "--format={{.State.ExitCode}}", name)
        return int(answer.stdout) if answer.exit_code == 0 else None

    async def remove(self, *names: str) -> None:
        """Containers, by name or id; those that are not there are no error."""
        if not names:
            return
        answer = await self._removed(names)
        if answer.exit_code != 0 and "no such container" not in answer.complaint.lower():
            raise ContainerTrouble(f"{self.calls.kind} cannot remove {names[0]}: {answer.complaint}")

    async def _removed(self, names: Sequence[str]) -> Captured:
        """podman removes no container that is just about to end by itself; a moment later it does."""
        answer = await self.ask(*self.removal, *names)
        for _ in range(_REMOVALS_MOST):
            if b"state improper" not in answer.stderr:
                break
            await asyncio.sleep(_ENDING_S)
            answer = await self.ask(*self.removal, *names)
        return answer

    async def remove_all(self, folder: Path) -> None:
        label = f"label={FOLDER_LABEL}={folder}"
        await self._remove_found(await self._containers(label), await self._networks(label))

    async def remove_left(self, is_left: Callable[[Path], bool]) -> frozenset[Path]:
        label = f"label={FOLDER_LABEL}"
        containers = [found for found in await self._containers(label) if is_left(Path(found.folder))]
        networks = [found for found in await self._networks(label) if is_left(Path(found.folder))]
        await self._remove_found(containers, networks)
        return frozenset(Path(found.folder) for found in (*containers, *networks))

    async def finished(
        self, argv: Sequence[str], log: LogSink, *, timeout_s: float, text: str = ""
    ) -> CommandFailed | None:
        """Carry a command of the engine out; None is success."""
        ended = await self._run(argv, log, timeout_s=timeout_s, text=text)
        if ended.exit_code == 0 and not ended.timed_out:
            return None
        return CommandFailed(ended.exit_code, ended.text, ended.timed_out)

    async def ask(self, *arguments: str) -> Captured:
        return await self._captured([*self.calls.program, *arguments])

    async def _end(self, name: str, command: asyncio.Task[Any]) -> None:
        await self.remove(name)
        # With its container the command ends by itself; told to end, it complains in the log.
        await asyncio.wait((command,), timeout=_OWN_END_S)
        command.cancel()
        await asyncio.gather(command, return_exceptions=True)
        await self.remove(name)  # the command may have been about to make it

    async def _containers(self, label: str) -> list[Found]:
        return await self._list("ps", "--all", *self.listing(), f"--filter={label}")

    async def _networks(self, label: str) -> list[Found]:
        return await self._list("network", "ls", *self.listing(), f"--filter={label}")

    async def _list(self, *arguments: str) -> list[Found]:
        answer = await self.ask(*arguments)
        if answer.exit_code != 0:
            raise ContainerTrouble(f"{self.calls.kind} cannot list what belongs to runs: {answer.complaint}")
        return list(self.listed(answer.stdout))

    async def _remove_found(self, containers: Sequence[Found], networks: Sequence[Found]) -> None:
        await self.remove(*(found.id for found in containers))
        if networks:
            answer = await self.ask(*self.network_removal, *(found.id for found in networks))
            if answer.exit_code != 0:
                raise ContainerTrouble(f"{self.calls.kind} cannot remove a network: {answer.complaint}")

    async def _run(
        self,
        argv: Sequence[str],
        log: LogSink,
        *,
        timeout_s: float,
        text: str = "",
        streams: Streams = TO_THE_LOG,
    ) -> Ended:
        variables = self.variables(text or " ".join(argv))
        try:
            return await run(argv, env=variables, log=log, timeout_s=timeout_s, streams=streams)
        except FileNotFoundError as error:
            raise self._gone(error) from None

    async def _captured(self, argv: Sequence[str]) -> Captured:
        try:
            return await capture(argv, env=self.variables(" ".join(argv)), timeout_s=ASK_TIMEOUT_S)
        except FileNotFoundError as error:
            raise self._gone(error) from None

    def _gone(self, error: FileNotFoundError) -> EngineError:
        return EngineError(f"{error} is gone", hint=f"install {self.calls.kind} again")


def labels_of(value: object) -> dict[str, str]:
    """Labels as podman prints them (an object), and docker (`a=b,c=d`)."""
    if isinstance(value, dict):
        return {str(name): str(text) for name, text in value.items()}
    pairs = (part.partition("=") for part in str(value or "").split(","))
    return {name: text for name, _, text in pairs}


def found_in(entry: Mapping[str, Any], *id_keys: str) -> Found:
    """One entry of a list."""
    identity = next(str(entry[key]) for key in id_keys if entry.get(key))
    labels = labels_of(entry.get("Labels") or entry.get("labels"))
    return Found(identity, labels.get(FOLDER_LABEL, ""))


def json_lines(output: bytes) -> Iterator[Mapping[str, Any]]:
    return (json.loads(line) for line in output.splitlines() if line.strip())
