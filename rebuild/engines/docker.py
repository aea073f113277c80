"""Builds, looks at and pushes images with docker. What docker can do here is the probe's to know.

Images are the daemon's, shared with everybody who uses it: nothing is cleared here but the names
that tracker gave. Which registries are insecure and which CAs are trusted is the daemon's, too.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from graph.dockerfile import Feature
from graph.reference import Digest, ImageRef, Platform
from rebuild.engines.docker_probe import builder_variables
from rebuild.engines.emulation import this_machine, why_not
from rebuild.engines.engine import (
    BuildRequest,
    Built,
    CommandFailed,
    EngineError,
    LocalImage,
    LogSink,
    Pruned,
    Pushed,
)
from rebuild.engines.features import Builder, understood, version_of
from rebuild.engines.left_out import given_ignore_file
from rebuild.engines.oci_config import oci_config
from rebuild.engines.probe import EngineProbe
from rebuild.engines.program import CARRY_TIMEOUT_S, Program, failed
from rebuild.engines.push_progress import DockerLines, TellPush
from rebuild.engines.surroundings import Surroundings, build_arg_flags, docker_config, split_build_args
from rebuild.images.build_secrets import secret_flags

PUSH_TIMEOUT_S = 3600.0

_UNKNOWN = "no such"
_DIGEST = re.compile(r"\bdigest: (sha256:[0-9a-f]{64}) size: ")  # in the last line that a push prints


class DockerEngine:
    """docker, as the probe found it: with BuildKit, or with the legacy builder where that is all there is."""

    name = "docker"
    worker: str | None = None
    called = "docker"  # in messages

    def __init__(self, probe: EngineProbe, around: Surroundings, on_push: TellPush | None = None) -> None:
        self.probe = probe
        self.on_push = on_push
        self.version = probe.version
        self.reads_syntax_line = probe.builder is Builder.BUILDKIT
        self.features: frozenset[Feature] = understood(probe.builder, version_of(probe.builder_version))
        self._around = around
        variables = around.variables()
        if around.auth_file is not None:
            variables["DOCKER_CONFIG"] = str(docker_config(around.folder, around.auth_file))
        self._cli = Program(self.called, (probe.program, *around.docker_options), variables)

    def _like(self, around: Surroundings, on_push: TellPush | None) -> Self:
        """The same daemon, found by other surroundings."""
        return type(self)(self.probe, around, on_push)

    async def build(self, request: BuildRequest, log: LogSink) -> Built | CommandFailed:
        self._check(request)
        variables = {**self._cli.variables, **builder_variables(self.probe.builder)}
        by_environment, by_command = split_build_args(request.build_args, variables)
        with tempfile.TemporaryDirectory(prefix="tracker-build-", dir=request.scratch) as folder:
            image_id_file = Path(folder) / "id"
            dockerfile = self._place(request, Path(folder))
            argv = [
                *(*self._cli.command, "build"),
                *self._flags(request, dockerfile, image_id_file),
                *build_arg_flags(by_environment, by_command),
                *secret_flags(Path(folder), request.secrets),
                str(request.context),
            ]
            ended = await self._cli.run(
                argv, {**by_environment, **variables}, log, timeout_s=request.timeout_s
            )
            if ended.exit_code != 0 or ended.timed_out:
                return failed(ended)
            image_id = image_id_file.read_text().strip()
        image = await self.inspect(image_id)
        if image is None:
            raise EngineError(
                f"{self.called} built {image_id} but does not have it: somebody clears the daemon's images"
            )
        if request.layer_cache is not None:
            await self._keep_layers(image, request.layer_cache, log)
        return Built(image)

    async def _keep_layers(self, image: LocalImage, place: ImageRef, log: LogSink) -> None:
        """The daemon's BuildKit writes where layers come from into the image: that is the cache. An image is
        none the worse for a registry that does not take it."""
        if self.probe.builder is Builder.LEGACY:
            log(b"layers stay on this machine: docker's legacy builder keeps none in a registry\n")
            return
        try:
            pushed = await self.push(image, place, log)
            reason = pushed.log_tail or "docker push failed" if isinstance(pushed, CommandFailed) else ""
        except EngineError as error:
            reason = error.message
        if reason:
            last = reason.strip().splitlines()[-1]
            log(f"warning: layers stay on this machine, for {place} was not taken: {last}\n".encode())

    def with_auth(self, auth_file: Path) -> Self:
        return self._like(replace(self._around, auth_file=auth_file), self.on_push)

    def as_nobody(self, auth_file: Path) -> Self:
        if self.probe.build_network == "host":
            raise EngineError(
                f"RUN works with {self.called} on the network of its machine alone:"
                " what a stranger has written is not built",
                hint="`tracker doctor` prints why the daemon's own network does not do",
            )
        return self.with_auth(auth_file)  # docker reads no other

    def with_progress(self, on_push: TellPush) -> Self:
        """The same engine, that tells how far its pushes are: in layers, for docker tells no bytes here."""
        return self._like(self._around, on_push)

    async def inspect(self, name: str) -> LocalImage | None:
        answer = await self._cli.ask("image", "inspect", name)
        if answer.exit_code == 0:
            return _image(json.loads(answer.stdout)[0])
        if _UNKNOWN in answer.complaint.lower():
            return None
        raise EngineError(f"{self.called} cannot inspect {name}: {answer.complaint}")

    async def push(self, image: LocalImage, to: ImageRef, log: LogSink) -> Pushed | CommandFailed:
        """docker pushes names only: the daemon's image of that name is put back afterwards."""
        before = await self.inspect(str(to))
        await self._cli.must("tag", str(image.image_id), str(to))
        tell = self.on_push
        if tell is not None:
            log = DockerLines(to, layers=len(set(image.diff_ids)), log=log, tell=tell)
        try:
            argv = [*self._cli.command, "push", str(to)]
            ended = await self._cli.run(argv, self._cli.variables, log, timeout_s=PUSH_TIMEOUT_S)
        finally:
            if tell is not None:
                tell(None)
            if before is None:
                await self._cli.ask("rmi", "--no-prune", str(to))
            else:
                await self._cli.must("tag", str(before.image_id), str(to))
        return failed(ended) if ended.exit_code != 0 or ended.timed_out else Pushed(_told_digest(ended.text))

    async def save(self, name: str, archive: Path) -> None:
        await self._cli.must("save", f"--output={archive}", name, timeout_s=CARRY_TIMEOUT_S)

    async def load(self, archive: Path, name: str) -> LocalImage:
        await self._cli.must("load", f"--input={archive}", timeout_s=CARRY_TIMEOUT_S)
        image = await self.inspect(name)
        if image is None:
            raise EngineError(f"{self.called} has loaded {archive}, and no image {name} was in it")
        return image

    async def remove(self, *names: str) -> None:
        for name in names:
            answer = await self._cli.ask("rmi", "--no-prune", name)
            if answer.exit_code != 0 and _UNKNOWN not in answer.complaint.lower():
                raise EngineError(f"{self.called} cannot remove {name}: {answer.complaint}")

    async def prune(self, *, older_than_s: float) -> Pruned:
        return Pruned(0, "the images are the docker daemon's, where tracker cannot tell its own from others")

    @property
    def machine(self) -> Platform:
        return Platform.parse(self.probe.machine) if self.probe.machine else this_machine()

    def cannot_run(self, platform: Platform) -> str | None:
        return why_not(platform, host=this_machine())

    def _check(self, request: BuildRequest) -> None:
        """Refuse what this builder would leave out without a word."""
        if not self.probe.can_build:
            raise EngineError(
                f"{self.called} cannot carry out RUN steps",
                hint="`tracker doctor` prints what was tried",
            )
        if request.timestamp is not None:
            raise EngineError(
                f"{self.called} {self.version} cannot give an image fixed timestamps",
                hint='use podman for it (setting engine = "podman"), or build without reproducible output',
            )
        if request.secrets and self.probe.builder is Builder.LEGACY:
            raise EngineError(
                f"{self._legacy_builder} has no secrets: {', '.join(request.secrets)} would go unused",
                hint='install docker\'s buildx component, or use podman: setting engine = "podman"',
            )
        own = request.context / ".dockerignore"
        if self.probe.builder is Builder.LEGACY and request.ignore_file not in (None, own):
            raise EngineError(
                f"{self._legacy_builder} reads {own} only, not {request.ignore_file}",
                hint="install BuildKit (docker's buildx component), or move the file there",
            )

    @property
    def _legacy_builder(self) -> str:
        return "docker's legacy builder" + (f" of worker {self.worker}" if self.worker else "")

    def _place(self, request: BuildRequest, folder: Path) -> Path:
        """BuildKit looks for `Dockerfile.dockerignore` beside the Dockerfile, before `.dockerignore`."""
        if self.probe.builder is Builder.LEGACY:
            return request.dockerfile
        given = given_ignore_file(request, folder)
        if given is None or given == request.context / ".dockerignore":
            return request.dockerfile
        copy = Path(shutil.copy(request.dockerfile, folder / "Dockerfile"))
        shutil.copy(given, folder / "Dockerfile.dockerignore")
        return copy

    def _flags(self, request: BuildRequest, dockerfile: Path, image_id_file: Path) -> list[str]:
        flags = [f"--tag={request.tag}", f"--file={dockerfile}", f"--iidfile={image_id_file}"]
        # The daemon has no annotations: a label is what is left.
        flags += [f"--label={name}={value}" for name, value in request.annotations.items()]
        if self.probe.builder is Builder.BUILDKIT:
            flags.append("--progress=plain")
        if self._tells_platform(request):
            flags.append(f"--platform={request.platform}")
        if self.probe.build_network is not None:
            flags.append(f"--network={self.probe.build_network}")
        if request.target is not None:
            flags.append(f"--target={request.target}")
        if request.no_cache:
            flags.append("--no-cache")
        if request.layer_cache is not None and self.probe.builder is Builder.BUILDKIT:
            flags += ["--build-arg=BUILDKIT_INLINE_CACHE=1", f"--cache-from={request.layer_cache}"]
        return [*flags, *request.flags]

    def _tells_platform(self, request: BuildRequest) -> bool:
        """Not where the last stage has another: docker would write into the image what the flag says."""
        if request.last_stage is not None:
            return False
        is_foreign = request.platform.architecture != self.machine.architecture
        return self.probe.builder is Builder.BUILDKIT or self.worker is not None or is_foreign


def _told_digest(printed: str) -> Digest | None:
    told = _DIGEST.findall(printed)
    return Digest.parse(told[-1]) if told else None


def _image(found: Mapping[str, Any]) -> LocalImage:
    return LocalImage(
        image_id=Digest.parse(found["Id"]),
        platform=Platform.of(found["Os"], found["Architecture"], found.get("Variant") or ""),
        diff_ids=tuple(Digest.parse(layer) for layer in found["RootFS"].get("Layers") or ()),
        config=oci_config(found.get("Config") or {}),
    )
