"""Turns what a run was asked to do into a build on a folder of this machine. Fetches, and builds nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from graph.errors import WrongUse
from graph.record import dataclass
from graph.reference import ImageRef
from rebuild.context.reach import Reach
from rebuild.context.where import Folder, Source
from rebuild.images.image_build import DOCKERFILE_NAMES, ImageBuild
from rebuild.runs.definition import Definition, DockerStep
from rebuild.secrets.context_secrets import ContextSecrets


@dataclass(frozen=True, slots=True)
class Prepared:
    """The context as it was fetched."""

    folder: Path
    commit: str | None = None
    branch: str | None = None
    is_local: bool = False  # the user's own folder: paths may lead out of it


async def prepare(
    definition: Definition,
    scratch: Path,
    log: Callable[[bytes], None],
    uploads: Path | None = None,
    *,
    secrets: ContextSecrets | None = None,
    reach: Reach | None = None,
    stdin: BinaryIO | None = None,
    in_place: bool = True,
) -> Prepared:
    """Bring the context here. A folder of this machine is used where it is unless `in_place` is off;
    `uploads` holds those that callers sent, `secrets` what its text does not say, `reach` what opens others'
    servers to everything that is fetched for the run."""
    source = Source.parse(definition.context)
    if isinstance(source.place, Folder) and in_place:
        if not source.place.path.is_dir():
            raise WrongUse(
                f"context {definition.context!r} is not a folder",
                hint="name the folder that the Dockerfile copies from",
            )
        return Prepared(source.place.path.resolve(), is_local=True)
    # A build from a folder needs neither HTTP nor git: it should not wait for their import.
    from rebuild.context.fetch import Access, fetch

    opened = secrets or ContextSecrets()
    pull = definition.revision.pull if definition.revision else None
    access = Access(opened.login, opened.query, opened.ssh_key, reach or Reach(), uploads, pull)
    into = scratch / "context"
    fetched = await fetch(
        source,
        into,
        log=log,
        access=access,
        stdin=stdin,
        in_place=in_place,
        kept=definition.step.files,
    )
    return Prepared(fetched.folder, fetched.commit, fetched.branch)


def image_build(definition: Definition, step: DockerStep, context: Prepared) -> ImageBuild:
    """The build of a Dockerfile step, with absolute paths."""
    return ImageBuild(
        context=context.folder,
        dockerfile=_dockerfile(step, context),
        images=tuple(ImageRef.parse(name) for name in step.images),
        platform=definition.platform,
        build_args=step.build_args,
        target=step.target,
        push=step.push,
        no_cache=step.no_cache,
        reproducible=step.reproducible,
        timeout_s=definition.timeout_s,
        follow=definition.follow,
        is_local=context.is_local,
    )


def _dockerfile(step: DockerStep, context: Prepared) -> Path | None:
    """A Dockerfile may lie outside of the user's own folder, but not outside of what was fetched."""
    names = [step.dockerfile] if step.dockerfile else DOCKERFILE_NAMES
    if not context.is_local:
        for name in (*names, *(f"{name}.dockerignore" for name in names), ".dockerignore"):
            _check_inside(context.folder, name)
    return context.folder / step.dockerfile if step.dockerfile else None


def _check_inside(folder: Path, name: str) -> None:
    """A stranger's file may be a link to what is on this machine, and errors quote what they read."""
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise WrongUse(f"file {name!r} leads out of the context", hint="name a Dockerfile inside it")
