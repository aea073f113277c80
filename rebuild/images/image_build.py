"""Builds one image so that what is recorded is what was used: scan, resolve, pin, build, verify, push.

Knows neither the database nor the queue: what it learnt comes back as a value.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from graph.dockerfile import Base, Scan, pin, scan
from graph.errors import TrackerError, WrongUse
from graph.model import BaseContent, BuildRecord
from graph.record import dataclass
from graph.reference import Digest, ImageRef, Platform
from rebuild.context.dockerfile_copy import name_as_typed
from rebuild.context.ignore_file import DEFAULTS
from rebuild.engines.engine import BuildRequest, CommandFailed, Engine, LocalImage, LogSink
from rebuild.engines.features import refuse, refuse_foreign
from rebuild.images.at_hand import AllAtHand, local_names, runtime_image, split, through
from rebuild.images.build_secrets import advice
from rebuild.images.content import base_content, content_id, says_of_docker
from rebuild.images.publication import publish
from rebuild.images.resolve import Resolved, refuse_other_platform, resolve, taken
from rebuild.images.tools import Tools
from rebuild.secrets.secret import Secret

DOCKERFILE_BYTES_MOST = 1024 * 1024
DOCKERFILE_NAMES = ("Dockerfile", "Containerfile")


class NotWhatWasPinned(TrackerError):
    """The result does not stand on the base that it was told to stand on."""


@dataclass(frozen=True, slots=True)
class ImageBuild:
    """One Dockerfile build on a folder of this machine. Paths are absolute."""

    context: Path
    dockerfile: Path | None  # None: Dockerfile or Containerfile of the context
    images: tuple[ImageRef, ...]
    platform: Platform
    build_args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    push: bool = True
    no_cache: bool = False
    layer_cache: ImageRef | None = None  # where a registry keeps the layers
    reproducible: bool = False
    timeout_s: float = 3600.0
    at_hand: AllAtHand = field(default_factory=dict)  # bases that are taken from the engine's storage
    flags: tuple[str, ...] = ()  # more of the engine's own, each one word
    is_local: bool = False  # whether the context is the user's own folder, which messages name whole
    follow: tuple[str, ...] = ()  # rules by which bases are the newest tag, as `FollowRule` reads them
    is_part: bool = False  # of an index, where each platform is to be there once
    makes: tuple[ImageRef, ...] = ()  # all that the run makes besides: what is no base to be followed

    def told(self, path: Path) -> str:
        """A file as messages name it: in what was fetched or sent, by its path there."""
        if self.is_local or not path.is_relative_to(self.context):
            return str(path)
        return name_as_typed(str(path.relative_to(self.context)))


@dataclass(frozen=True, slots=True)
class Finished:
    """A build that went well: what to record, and the content of the base, by its manifest."""

    record: BuildRecord
    contents: Mapping[Digest, BaseContent]
    image: LocalImage | None = None  # None where an earlier attempt has built it
    engine: Engine | None = None  # that has the image


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the last stage stands on; `learnt` is its content where a registry has it."""

    called: str
    platform: Platform  # and so that of the image
    content: BaseContent
    learnt: Mapping[Digest, BaseContent] = field(default_factory=dict)
    built_for: Platform | None = None  # BuildKit finds no image of its storage that is for another


async def build_image(
    wanted: ImageBuild,
    tools: Tools,
    *,
    scratch: Path,
    name: str,
    log: LogSink,
    before_push: Callable[[BuildRecord], None] = lambda record: None,
    secrets: Mapping[str, Secret] | None = None,
    on_placed: Callable[[Engine], None] = lambda engine: None,
) -> Finished | CommandFailed:
    """Build one image as wanted, verify and push it.

    `scratch` is an empty folder for this build alone, `name` what the engine calls the result where no
    image name is wanted; `before_push` is called with all that is known once the build is verified;
    `secrets` are by the id that `RUN --mount=type=secret` names; `on_placed` hears which engine builds.
    """
    started_s = time.monotonic()
    resolved_at = tools.now()
    dockerfile, content, found = examine(wanted, tools)
    tools, found = await _placed(wanted, dockerfile, content, found, tools, log)
    on_placed(tools.engine)
    if wanted.follow:
        found = await _followed(wanted, dockerfile, found, tools, log)
    bases = taken(found, reads_syntax_line=tools.engine.reads_syntax_line)
    asked, here = split(bases, wanted.at_hand)
    if here and tools.workers is not None:
        wanted = await _with_bases(wanted, here, tools.engine)
    resolved = await resolve(wanted.told(dockerfile), asked, tools.registry, tools.memory)
    _tell(log, resolved, here)
    for line in advice(content, secrets or {}):
        log(f"{line}\n".encode())
    pinned = scratch / "Dockerfile"
    pinned.write_bytes(pin(content, found, resolved.pins, local_names(wanted.at_hand)))
    ground = await _ground(wanted, resolved, runtime_image(here, wanted.at_hand), tools)
    request = _request(wanted, dockerfile, pinned, resolved, ground, name)
    built = await tools.engine.build(replace(request, secrets=secrets or {}, scratch=scratch), log)
    if isinstance(built, CommandFailed):
        return built
    _check_platform(built.image, ground.platform)
    _check_layers(built.image, ground)
    record = BuildRecord(
        images=wanted.images,
        manifests=None,
        content_id=content_id(built.image.platform, built.image.config, built.image.diff_ids),
        platforms=(ground.platform,),
        bases=(*resolved.recorded(), *through(here, wanted.at_hand)),
        resolved_at=resolved_at,
        built_at=tools.now(),
        duration_s=round(time.monotonic() - started_s, 3),
        pushed=False,
    )
    if not wanted.push or not wanted.images:
        return Finished(record, ground.learnt, built.image, tools.engine)
    before_push(record)
    published = await publish(record, built.image, tools, log)
    if isinstance(published, CommandFailed):
        return published
    return Finished(published, ground.learnt, built.image, tools.engine)


async def _placed(
    wanted: ImageBuild, dockerfile: Path, content: bytes, found: Scan, tools: Tools, log: LogSink
) -> tuple[Tools, Scan]:
    """What builds it where it belongs, and the Dockerfile as it reads there."""
    if tools.workers is None:
        return tools, found
    from rebuild.images.placement import place_build  # most machines have no workers

    path = wanted.told(dockerfile)
    placed, there = await place_build(
        found, partial(_scan, wanted, path, content), tools, log, at_hand=wanted.at_hand
    )
    _refuse_lacking(path, there, placed)
    return placed, there


async def _with_bases(wanted: ImageBuild, here: Iterable[Base], engine: Engine) -> ImageBuild:
    from rebuild.images.placement import have_there

    return replace(wanted, at_hand=await have_there(here, wanted.at_hand, engine))


async def _followed(wanted: ImageBuild, dockerfile: Path, found: Scan, tools: Tools, log: LogSink) -> Scan:
    from graph.follow_rule import parse_rules  # most builds follow none
    from rebuild.images.followed_tags import follow_tags, not_into

    return await follow_tags(
        wanted.told(dockerfile),
        found,
        not_into(parse_rules(wanted.follow), (*wanted.images, *wanted.makes), log),
        images=wanted.images,
        at_hand=wanted.at_hand,
        registry=tools.registry,
        memory=tools.memory,
        log=log,
    )


def examine(wanted: ImageBuild, tools: Tools) -> tuple[Path, bytes, Scan]:
    """The Dockerfile, its text and its bases; raises `WrongUse` for all that can be wrong with it alone, and
    `EngineError` for what no engine has that could be the one to build it."""
    dockerfile = find_dockerfile(wanted)
    path = wanted.told(dockerfile)
    content = read_dockerfile(dockerfile, path)
    found = _scan(wanted, path, content, tools.build_platform)
    if not _may_go_away(found, tools):
        _refuse_lacking(path, found, tools)
    # As with docker, the last stage decides where nobody asks for more than the machine's own platform.
    if wanted.is_part or not wanted.platform.is_kin_of(tools.build_platform):
        refuse_other_platform(path, found.bases, wanted.platform)
    return dockerfile, content, found


def _may_go_away(found: Scan, tools: Tools) -> bool:
    if tools.workers is None:
        return False
    from rebuild.images.placement import may_go_away

    return may_go_away(found, tools)


def _refuse_lacking(path: str, found: Scan, tools: Tools) -> None:
    refuse(path, found, tools.engine)
    refuse_foreign(path, found, tools.engine, tools.workers.known if tools.workers else ())


def find_dockerfile(wanted: ImageBuild) -> Path:
    """The Dockerfile of a build; refused where it, or the context, is not there."""
    context = wanted.context
    if not context.is_dir():
        raise WrongUse(
            f"context {context} is not a folder", hint="name the folder that the Dockerfile copies from"
        )
    candidates = [wanted.dockerfile] if wanted.dockerfile else [context / name for name in DOCKERFILE_NAMES]
    for path in candidates:
        if path.is_file():
            return path
    missing = wanted.told(candidates[0])
    place = (
        f"there is no Dockerfile at {missing}" if wanted.is_local else f"the context has no file {missing!r}"
    )
    raise WrongUse(place, hint="name the Dockerfile with --file")


def read_dockerfile(path: Path, told: str) -> bytes:
    """Its text; messages call it `told`."""
    with path.open("rb") as file:
        content = file.read(DOCKERFILE_BYTES_MOST + 1)
    if len(content) > DOCKERFILE_BYTES_MOST:
        raise WrongUse(f"{told} is larger than {DOCKERFILE_BYTES_MOST} bytes, which no Dockerfile is")
    return content


def _scan(wanted: ImageBuild, path: str, content: bytes, build_platform: Platform) -> Scan:
    return scan(
        content,
        path=path,
        platform=wanted.platform,
        build_platform=build_platform,
        build_args=wanted.build_args,
        target=wanted.target,
    )


def _request(
    wanted: ImageBuild, dockerfile: Path, pinned: Path, resolved: Resolved, ground: _Ground, name: str
) -> BuildRequest:
    own_ignore = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    return BuildRequest(
        context=wanted.context,
        dockerfile=pinned,
        ignore_file=own_ignore if own_ignore.is_file() else None,
        platform=ground.built_for or wanted.platform,
        tag=str(wanted.images[0]) if wanted.images else name,
        target=wanted.target,
        build_args=wanted.build_args,
        annotations=_annotations(resolved),
        no_cache=wanted.no_cache,
        layer_cache=wanted.layer_cache,
        timestamp=0 if wanted.reproducible else None,
        base_of_docker=ground.content.of_docker,
        last_stage=ground.platform if not ground.built_for and ground.platform != wanted.platform else None,
        flags=wanted.flags,
        leaves_out=DEFAULTS if wanted.is_local else (),  # as where a folder is packed for a service
        timeout_s=wanted.timeout_s,
    )


def _annotations(resolved: Resolved) -> dict[str, str]:
    """The runtime base by its name and by what the name pointed to (OCI image spec, annotations)."""
    base = resolved.runtime
    if base is None:
        return {}
    return {
        "org.opencontainers.image.base.name": str(base.reference),
        "org.opencontainers.image.base.digest": str(resolved.manifests[base.reference].digest),
    }


def _tell(log: LogSink, resolved: Resolved, here: Iterable[Base]) -> None:
    for base in resolved.bases:
        digest = resolved.manifest_of(base)
        log(f"base {base.reference} ({base.role}, {base.via}, line {base.line}) is {digest}\n".encode())
    for base in here:
        log(f"base {base.reference} ({base.role}, {base.via}, line {base.line}) was built here\n".encode())


async def _ground(wanted: ImageBuild, resolved: Resolved, here: LocalImage | None, tools: Tools) -> _Ground:
    """What the last stage stands on: the pinned base, an image that is `here` alone, or nothing."""
    if here is not None:
        of_here = BaseContent(here.diff_ids, says_of_docker(here.config))
        platform = _of(here.platform, wanted)
        return _Ground("what was built before it", platform, of_here, built_for=platform)
    base = resolved.runtime
    if base is None:
        return _Ground("scratch", wanted.platform, BaseContent(()))
    manifest = resolved.manifest_of(base)
    content = tools.memory.content_of(manifest)
    if content is None:
        content = base_content(await tools.registry.image_config(base.reference, manifest))
    called = f"its base {base.reference}: {manifest}"
    return _Ground(called, _of(base.platform, wanted), content, {manifest: content})


def _of(below: Platform, wanted: ImageBuild) -> Platform:
    """The platform of an image on that one; a variant is the one that is asked for."""
    return wanted.platform if below.is_kin_of(wanted.platform) else below


def _check_platform(image: LocalImage, wanted: Platform) -> None:
    """An engine whose cache takes no notice of platforms would hand out another one's image."""
    if not image.platform.is_kin_of(wanted):
        raise NotWhatWasPinned(
            f"the engine made an image for {image.platform}, not for {wanted}; nothing was pushed",
            hint="build it without the cache (--no-cache)",
        )


def _check_layers(image: LocalImage, ground: _Ground) -> None:
    layers = ground.content.diff_ids
    if image.diff_ids[: len(layers)] != layers:
        raise NotWhatWasPinned(
            f"the image does not begin with the layers of {ground.called}",
            hint="the engine used another base or squashed the layers; nothing was pushed",
        )
