"""Builds, looks at and pushes images with podman. What podman can do here is the probe's to know."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from graph.dockerfile import Feature
from graph.reference import Digest, ImageRef, Platform
from rebuild.engines import podman_command, podman_layers
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
from rebuild.engines.features import understood, version_of
from rebuild.engines.image_form import ImageForm, form_of
from rebuild.engines.left_out import given_ignore_file
from rebuild.engines.oci_config import oci_config
from rebuild.engines.podman_command import Podman
from rebuild.engines.podman_logins import pinned_registries, with_helpers
from rebuild.engines.podman_storage import Stored, stored_image
from rebuild.engines.probe import EngineProbe, Isolation
from rebuild.engines.program import CARRY_TIMEOUT_S, Program, failed
from rebuild.engines.push_bars import push_telling
from rebuild.engines.push_progress import TellPush
from rebuild.engines.surroundings import (
    Surroundings,
    build_arg_flags,
    for_nobody,
    podman_registries,
    podman_trust,
    split_build_args,
)
from rebuild.images.build_secrets import copies, remove_copies, secret_flags
from rebuild.process import TO_THE_LOG, Ended, Streams

PUSH_TIMEOUT_S = 3600.0

_LOCK = "tracker.lock"


class PodmanEngine:
    """podman, as the probe found it. In a storage of its own it may also clear up."""

    name = "podman"
    worker: str | None = None
    reads_syntax_line = False  # buildah takes `# syntax=` for a comment

    def __init__(self, probe: EngineProbe, around: Surroundings, on_push: TellPush | None = None) -> None:
        self.probe = probe
        self.on_push = on_push
        self.version = probe.version
        self.features: frozenset[Feature] = understood(probe.builder, version_of(probe.builder_version))
        self._around = around
        self._podman = Podman.of(probe, around)
        self._cli = Program(self.name, tuple(self._podman.argv()), around.variables())
        if around.auth_file is not None and not around.auth_file.is_file():
            raise EngineError(
                f"credentials file {around.auth_file} does not exist", hint="check the path in the settings"
            )

    async def build(self, request: BuildRequest, log: LogSink) -> Built | CommandFailed:
        if not self.probe.can_build:
            raise EngineError(
                "podman cannot carry out RUN steps on this machine",
                hint="`tracker doctor` prints what was tried",
            )
        text = await asyncio.to_thread(request.dockerfile.read_text, errors="replace")
        safe = podman_layers.limited(request, text, version_of(self.probe.builder_version), log)
        async with self._shared_storage():
            made = await self._build_persistently(safe, text, log)
        return (
            made
            if isinstance(made, CommandFailed)
            else Built(_with_variant(made.image, request.image_platform))
        )

    def with_auth(self, auth_file: Path) -> PodmanEngine:
        return PodmanEngine(self.probe, replace(self._around, auth_file=auth_file), self.on_push)

    def as_nobody(self, auth_file: Path) -> PodmanEngine:
        if self.probe.isolation is Isolation.CHROOT:
            raise EngineError(
                "podman isolates RUN by chroot alone here, which shares the machine's network:"
                " what a stranger has written is not built",
                hint="`tracker doctor` prints why no container starts",
            )
        return PodmanEngine(self.probe, for_nobody(self._around, auth_file), self.on_push)

    def with_progress(self, on_push: TellPush) -> PodmanEngine:
        """The same engine, that tells how far its pushes are."""
        return PodmanEngine(self.probe, self._around, on_push)

    async def inspect(self, name: str) -> LocalImage | None:
        found = await self._look(name)
        return None if found is None else _image(found)

    async def push(self, image: LocalImage, to: ImageRef, log: LogSink) -> Pushed | CommandFailed:
        variables = {**self._cli.variables, **podman_registries(self._around, str(to))}
        with tempfile.TemporaryDirectory(prefix="tracker-push-") as folder:
            trust = podman_trust(with_helpers(self._around, frozenset({to.registry}), Path(folder)))
            digest_file = Path(folder) / "digest"
            argv = podman_command.push(self._podman, image.image_id.hex, to, trust, digest_file)

            async def run(to_log: LogSink, streams: Streams) -> Ended:
                return await self._cli.run(argv, variables, to_log, timeout_s=PUSH_TIMEOUT_S, streams=streams)

            tell = self.on_push
            ended = await (push_telling(run, [image], to, log, tell) if tell else run(log, TO_THE_LOG))
            if ended.exit_code != 0 or ended.timed_out:
                return failed(ended)
            return Pushed(Digest.parse(digest_file.read_text().strip()))

    async def save(self, name: str, archive: Path) -> None:
        arguments = ("--format=docker-archive", f"--output={archive}", name)
        await self._cli.must("save", *arguments, timeout_s=CARRY_TIMEOUT_S)

    async def load(self, archive: Path, name: str) -> LocalImage:
        await self._cli.must("load", f"--input={archive}", timeout_s=CARRY_TIMEOUT_S)
        image = await self.inspect(name)
        if image is None:
            raise EngineError(f"podman has loaded {archive}, and no image {name} was in it")
        return image

    async def remove(self, *names: str) -> None:
        """In an own storage a name only goes: its layers are the cache, and `prune` clears them later."""
        if not names:
            return
        if self._around.storage is None:
            await self._cli.must("rmi", "--ignore", "--no-prune", *names)
            return
        known = [name for name in names if await self._look(name) is not None]
        for name in (name for name in known if not _is_id(name)):
            await self._cli.must(
                "untag", name, name
            )  # the image, and which of its names; without, all would go
        if identities := [name for name in known if _is_id(name)]:
            await self._cli.must("rmi", "--ignore", "--no-prune", *identities)

    async def prune(self, *, older_than_s: float) -> Pruned:
        if self._around.storage is None:
            return Pruned(0, "the storage is podman's own, where tracker cannot tell its images from others")
        lock = self._lock_file()
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Pruned(0, "a build is running in this storage")
            return await self._clear(older_than_s)
        finally:
            os.close(lock)

    @property
    def machine(self) -> Platform:
        return this_machine()

    def cannot_run(self, platform: Platform) -> str | None:
        return why_not(platform, host=this_machine())

    async def _build_persistently(
        self, request: BuildRequest, text: str, log: LogSink
    ) -> Stored | CommandFailed:
        """What comes wrong out of a cache is made again without it, in the time that is left."""
        deadline = time.monotonic() + request.timeout_s
        made = await self._build_somehow(request, text, log)
        if isinstance(made, CommandFailed) or (fault := podman_layers.fault_of(made, request)) is None:
            return made
        log(f"the cached image {fault}: building again without the cache\n".encode())
        return await self._build_somehow(replace(_until(deadline, request), no_cache=True), text, log)

    async def _build_somehow(self, request: BuildRequest, text: str, log: LogSink) -> Stored | CommandFailed:
        """A registry that takes no layers ends a build of podman's, though the image does without."""
        deadline = time.monotonic() + request.timeout_s
        made = await self._build(request, text, log)
        if request.layer_cache is None or not isinstance(made, CommandFailed):
            return made
        if (reason := podman_layers.not_written(made)) is None:
            return made
        log(f"warning: layers stay on this machine, for the registry took none: {reason}\n".encode())
        return await self._build(replace(_until(deadline, request), layer_cache=None), text, log)

    async def _build(self, request: BuildRequest, text: str, log: LogSink) -> Stored | CommandFailed:
        named = f"{text}\n{request.layer_cache or ''}"  # a cache is in a registry that is to be reached, too
        variables = {**self._cli.variables, **podman_registries(self._around, named)}
        by_environment, by_command = split_build_args(request.build_args, variables)
        form = form_of(text, base_of_docker=request.base_of_docker)
        with tempfile.TemporaryDirectory(prefix="tracker-build-", dir=request.scratch) as folder:
            image_id_file = Path(folder) / "id"
            argv = podman_command.build(
                self._podman,
                replace(
                    request,
                    ignore_file=given_ignore_file(request, Path(folder)),
                    target=request.target and podman_command.stage_as_written(text, request.target),
                ),
                self.probe,
                build_args=build_arg_flags(by_environment, by_command),
                secrets=secret_flags(Path(folder), request.secrets),
                image_id_file=image_id_file,
                trust=podman_trust(with_helpers(self._around, _registries(request, text), Path(folder))),
                form=form,
            )
            ended = await self._run_build(argv, {**by_environment, **variables}, request, log)
            if ended.exit_code != 0 or ended.timed_out:
                return failed(ended)
            image_id = Digest.parse(image_id_file.read_text().strip())
        return await self._stored(image_id, form)

    async def _stored(self, image_id: Digest, form: ImageForm) -> Stored:
        # Of what docker's format alone has, podman tells nothing: there even its own storage is looked into.
        storage = await self._storage() if form is ImageForm.DOCKER else self._around.storage
        if storage is not None and (stored := stored_image(storage, image_id)) is not None:
            return stored
        found = await self._look(image_id.hex)
        if found is None:
            raise EngineError(f"podman built {image_id} but does not have it: its storage is being cleared")
        return Stored(_image(found), found.get("Annotations") or {})

    async def _look(self, name: str) -> dict[str, Any] | None:
        answer = await self._cli.ask("image", "inspect", "--format=json", name)
        if answer.exit_code == 0:
            return dict(json.loads(answer.stdout)[0])
        if await self._exists(name):
            raise EngineError(f"podman cannot inspect {name}: {answer.complaint}")
        return None

    async def _exists(self, name: str) -> bool:
        answer = await self._cli.ask("image", "exists", name)
        if answer.exit_code not in (0, 1):
            raise EngineError(f"podman does not answer: {answer.complaint}", hint="try `podman info`")
        return answer.exit_code == 0

    async def _clear(self, older_than_s: float) -> Pruned:
        """Names below `localhost/` stay: no registry has those images, and steps and builds may name them."""
        # Nothing builds now, so the working containers are what killed builds left; they hold images.
        listed = json.loads(
            (await self._cli.must("ps", "--all", "--external", "--format=json")).stdout or "[]"
        )
        if working := [entry["Id"] for entry in listed if entry["Command"] == ["buildah"]]:
            await self._cli.must("rm", "--force", "--ignore", *working)
        before = await self._all_images()
        await self._cli.must("image", "prune", "--force", f"--filter=until={max(0, int(older_than_s))}s")
        stored_before = time.time() - older_than_s
        old = [
            entry
            for entry in await self._all_images()
            if _is_of_registry(entry) and self._stored_at(entry) <= stored_before
        ]
        if names := [name for entry in old for name in entry["Names"]]:
            await self._cli.ask("rmi", "--ignore", "--no-prune", *names)  # one that something stands on stays
        return Pruned(len(before) - len(await self._all_images()))

    def _stored_at(self, entry: Mapping[str, Any]) -> float:
        """When it came here. What an image says of its own age may be the time of a commit, or none."""
        assert self._around.storage is not None
        folders = self._around.storage.glob(f"*-images/{entry['Id']}")
        return max((folder.stat().st_mtime for folder in folders), default=float(entry["Created"]))

    async def _all_images(self) -> list[dict[str, Any]]:
        return list(json.loads((await self._cli.must("images", "--all", "--format=json")).stdout or "[]"))

    async def _run_build(
        self, argv: list[str], variables: Mapping[str, str], request: BuildRequest, log: LogSink
    ) -> Ended:
        """A build that ends by itself clears up; one that is ended leaves copies of its secrets."""
        storage = await self._storage() if request.secrets else None
        tidy = False
        try:
            ended = await self._cli.run(argv, variables, log, timeout_s=request.timeout_s)
            tidy = ended.exit_code >= 0 and not ended.timed_out
            return ended
        finally:
            if storage is not None and not tidy:
                remove_copies(copies(storage), request.secrets.values())

    async def _storage(self) -> Path:
        if self._around.storage is not None:
            return self._around.storage
        return Path((await self._cli.must("info", "--format={{.Store.GraphRoot}}")).stdout.decode().strip())

    def _lock_file(self) -> int:
        assert self._around.storage is not None
        self._around.storage.mkdir(parents=True, exist_ok=True)
        return os.open(self._around.storage / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextlib.asynccontextmanager
    async def _shared_storage(self) -> AsyncIterator[None]:
        """Keep `prune` of this and of other processes off while a build uses what it would clear."""
        if self._around.storage is None:
            yield
            return
        lock = self._lock_file()
        try:
            self._clear_killed_builds(lock)
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_SH)
            yield
        finally:
            os.close(lock)

    def _clear_killed_builds(self, lock: int) -> None:
        """Where nobody builds, copies of secrets are what a killed tracker left."""
        assert self._around.storage is not None
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_copies(copies(self._around.storage))


def _is_of_registry(entry: Mapping[str, Any]) -> bool:
    """Whether every name of an image is one of a registry: pulled, pushed, or only tried out."""
    names = entry.get("Names") or []
    return bool(names) and not any(name.startswith("localhost/") for name in names)


def _image(found: Mapping[str, Any]) -> LocalImage:
    return LocalImage(
        image_id=Digest.parse(f"sha256:{found['Id']}"),
        platform=Platform.of(found["Os"], found["Architecture"], found.get("Variant") or ""),
        diff_ids=tuple(Digest.parse(layer) for layer in found["RootFS"].get("Layers") or ()),
        config=oci_config(found.get("Config") or {}),
    )


def _until(deadline: float, request: BuildRequest) -> BuildRequest:
    return replace(request, timeout_s=max(1.0, deadline - time.monotonic()))


def _registries(request: BuildRequest, text: str) -> frozenset[str]:
    """Those that a build has to do with."""
    return pinned_registries(text) | ({request.layer_cache.registry} if request.layer_cache else frozenset())


def _with_variant(image: LocalImage, asked: Platform) -> LocalImage:
    """podman does not tell an image's variant; it built the one that was asked for."""
    return replace(image, platform=asked) if image.platform.is_kin_of(asked) else image


def _is_id(name: str) -> bool:
    text = name.removeprefix("sha256:")
    return len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)
