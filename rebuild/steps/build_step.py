"""One `build` step: one image for each of its platforms, on bases that are resolved, pinned and verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from graph.errors import TrackerError
from graph.model import RecordedBase
from graph.reference import Digest, ImageRef, Platform
from rebuild.engines.engine import CommandFailed, LogSink
from rebuild.images.image_build import Finished, ImageBuild, build_image, find_dockerfile
from rebuild.secrets.secret import Secret
from rebuild.steps.attempts import Attempt, Spotter, Try
from rebuild.steps.build_context import settled
from rebuild.steps.images import BuiltImage, Part
from rebuild.steps.push_step import publish_under
from rebuild.steps.registry_cache import RegistryCache
from rebuild.steps.run_site import Site
from rebuild.steps.step_build import PlannedBuild, platform_name
from rebuild.steps.step_place import RunPlace
from rebuild.steps.workspace import fresh_folder, inside, secret_file
from rebuild.taskfile import Step


class MovedMeanwhile(TrackerError):
    """A base pointed to one thing for one platform, and to another for the next."""


async def prepare_build(step: Step, site: Site) -> Try:
    """Have the context here, which is not on the step's time; answers what to try."""
    build, place = await settled(step, site)
    wanted = _wanted(step, site, build, place)
    secrets = _secrets(step, build, place)
    pushes = build.is_index and len(site.plan(step).calls) > len(build.platforms)
    if build.cache is not None:
        build = _with_allowed_cache(step, site, build, build.cache)

    async def attempt() -> Attempt:
        site.narrator.say(step.id, f"Building image: {', '.join(build.names) or step.id}")
        ended = await _build_all(step, site, build, wanted, secrets)
        if ended.error is None and pushes:
            return await publish_under(wanted.images, step, site)
        return ended

    return attempt


def _wanted(step: Step, site: Site, build: PlannedBuild, place: RunPlace) -> ImageBuild:
    """The build for the first platform, with every path checked."""
    names = tuple(ImageRef.parse(name) for name in build.names)
    wanted = ImageBuild(
        context=inside(place, Path(build.context), step, "context"),
        dockerfile=inside(place, Path(build.dockerfile), step, "Dockerfile") if build.dockerfile else None,
        images=names,
        platform=build.platforms[0] if build.platforms else site.platform,
        build_args=build.build_args,
        target=build.line.target,
        push=False,
        no_cache=build.no_cache,
        timeout_s=step.timeout_s,
        flags=_flags(build),
        follow=site.follow,
        makes=tuple(site.taskfile.built_images()),
    )
    found = find_dockerfile(wanted)
    own_ignore = found.with_name(f"{found.name}.dockerignore")
    for path in (found, own_ignore, wanted.context / ".dockerignore"):
        inside(place, path, step, "file")
    return replace(wanted, dockerfile=found)


def _with_allowed_cache(step: Step, site: Site, build: PlannedBuild, cache: RegistryCache) -> PlannedBuild:
    """Without it where its name is none; nor may what somebody proposes leave layers for the branch."""
    if site.pushes and cache.reference is not None:
        return build
    why = cache.fault if site.pushes else "this run only tries it out"
    site.narrator.say(step.id, f"No cache of layers in a registry: {why}")
    return replace(build, cache=None)


def _flags(build: PlannedBuild) -> tuple[str, ...]:
    labels = (f"--label={name}={value}" for name, value in build.line.labels)
    network = (f"--network={build.line.network}",) if build.line.network in ("none", "host") else ()
    return (*labels, *network, *build.line.engine_flags)


async def _build_all(
    step: Step, site: Site, build: PlannedBuild, wanted: ImageBuild, secrets: Mapping[str, Secret]
) -> Attempt:
    spotter = Spotter(step.retry_on_errors, site.narrator.output(step))
    parts: dict[Platform, Part] = {}
    for platform in build.platforms or (wanted.platform,):
        one = replace(
            wanted,
            platform=platform,
            at_hand=site.images.at_hand(platform),
            layer_cache=build.layer_cache(platform),
            is_part=build.is_index,
        )
        name = _local_name(step, site, platform)
        finished = await _build_one(step, site, one, name, secrets, spotter)
        if isinstance(finished, CommandFailed):
            return Attempt(_told(finished, step), finished.exit_code, spotter.seen)
        assert finished.image is not None
        assert finished.engine is not None
        record = replace(finished.record, images=wanted.images, step=step.id)
        parts[platform] = Part(name, finished.image, record, finished.engine, finished.contents)
    _check_agreement(part.record.bases for part in parts.values())
    site.built[step.id] = BuiltImage(step.id, parts)
    site.images.add(wanted.images, site.built[step.id])
    return Attempt(None, 0)


async def _build_one(
    step: Step,
    site: Site,
    wanted: ImageBuild,
    name: str,
    secrets: Mapping[str, Secret],
    log: LogSink,
) -> Finished | CommandFailed:
    """In the engine's storage the image has its other names, too, but those somebody else may move. What is
    not to be pushed has none of them: a later run might take it for what a registry has under that name."""
    if not site.pushes:
        wanted = replace(wanted, images=())
    names = (name, *(str(image) for image in wanted.images[1:]))
    return await build_image(
        replace(wanted, flags=(*wanted.flags, *(f"--tag={one}" for one in names))),
        site.tools,
        scratch=fresh_folder(Path(site.place.folder) / "builds", step.id),
        name=name,
        log=log,
        secrets=secrets,
        on_placed=lambda engine: site.names.add(engine, name),
    )


def _local_name(step: Step, site: Site, platform: Platform) -> str:
    """A name for this run's image alone."""
    return platform_name(f"{site.place.image_prefix}{step.id}:image".lower(), platform)


def _secrets(step: Step, build: PlannedBuild, place: RunPlace) -> dict[str, Secret]:
    return {
        secret.id: secret.value or secret_file(place, Path(secret.path or ""), step, secret.id)
        for secret in build.secrets
    }


def _told(failed: CommandFailed, step: Step) -> str:
    if failed.timed_out:
        return f"timed out after {step.timeout_s} seconds"
    last = failed.log_tail.strip().splitlines()[-1:] or [""]
    return f"exit status {failed.exit_code}: {last[0]}"


def _check_agreement(of_parts: Iterable[tuple[RecordedBase, ...]]) -> None:
    """One name, one digest: the platforms of an index stand on the same release of a base."""
    seen: dict[ImageRef, Digest] = {}
    for base in (base for bases in of_parts for base in bases):
        if seen.setdefault(base.reference, base.manifests.digest) != base.manifests.digest:
            raise MovedMeanwhile(
                f"base {base.reference} was pushed anew between the builds for two platforms",
                hint="run it again",
            )
