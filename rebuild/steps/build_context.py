"""What a build step builds from: fetched, or in the workspace, where containers may change it meanwhile.

A container that runs beside a build could put a link to the machine's own files into the way between the
check and the use. Such a build gets a copy, which is made without following any link.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rebuild.steps.run_site import Site, ancestors
from rebuild.steps.step_build import PlannedBuild, plan_build
from rebuild.steps.step_place import RunPlace
from rebuild.steps.workspace import fresh_folder
from rebuild.taskfile import Kind, Step, TaskFile

_IN_CONTAINERS = ("workspace", "volumes")  # what of the run's folder steps can write to and builds read from
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


async def settled(step: Step, site: Site) -> tuple[PlannedBuild, RunPlace]:
    """The build with all that it reads in place, and the folder that none of it may lead out of."""
    planned = site.plan(step).build
    assert planned is not None
    if planned.remote is not None:
        return await _fetched(step, site, planned, planned.remote), site.place
    if not shares_time(site.taskfile, step):
        return planned, site.place
    place = copy_place(step, site)
    into = fresh_folder(Path(place.folder).parent, step.id)
    await asyncio.to_thread(snapshot, Path(site.place.folder), into)
    return plan_build(step, replace(site.setting, place=place), site.outputs, site.secrets), place


def copy_place(step: Step, site: Site) -> RunPlace:
    """The place whose workspace and volumes are the copy for that step."""
    return replace(site.place, folder=f"{site.place.folder}/snapshots/{step.id}")


def shares_time(taskfile: TaskFile, step: Step) -> bool:
    """Whether a container of the run may be alive while the step builds."""
    before = ancestors(taskfile)
    return any(
        other.detach or (other.id not in before[step.id] and step.id not in before[other.id])
        for other in taskfile.steps
        if other.kind is Kind.CMD and step.id not in before[other.id]
    )


async def _fetched(step: Step, site: Site, planned: PlannedBuild, remote: str) -> PlannedBuild:
    """The Dockerfile of a remote context is named from its top, or from the folder that the source names."""
    into = Path(planned.context)
    shutil.rmtree(into, ignore_errors=True)
    into.parent.mkdir(parents=True, exist_ok=True)
    folder = await site.fetch(remote, into)
    dockerfile = planned.line.dockerfile and str(folder / planned.line.dockerfile)
    return replace(planned, context=str(folder), dockerfile=dockerfile)


def snapshot(run_folder: Path, into: Path) -> None:
    """Copy what steps share; no link is followed, whatever changes meanwhile."""
    for name in _IN_CONTAINERS:
        if (run_folder / name).is_dir():
            _copy(run_folder / name, into / name)


def _copy(source: Path, into: Path) -> None:
    """Folders, files and links as they are, times included; what is none of these cannot be built from."""
    times: list[tuple[Path, int]] = []
    top = os.open(source, _FOLDER)
    try:
        for folder, _, _, descriptor in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            here = into / folder
            here.mkdir(exist_ok=True)
            times.append((here, os.fstat(descriptor).st_mtime_ns))
            here.chmod(stat.S_IMODE(os.fstat(descriptor).st_mode) | stat.S_IRWXU)
            for name in _members(descriptor):
                _copy_member(name, descriptor, here / name)
    finally:
        os.close(top)
    for folder_path, at_ns in reversed(times):
        os.utime(folder_path, ns=(at_ns, at_ns))


def _members(descriptor: int) -> Iterator[str]:
    """Whatever in a folder is no folder itself."""
    with os.scandir(descriptor) as entries:
        names = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    yield from names


def _copy_member(name: str, folder: int, into: Path) -> None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        into.symlink_to(os.readlink(name, dir_fd=folder))
        os.utime(into, ns=(found.st_mtime_ns, found.st_mtime_ns), follow_symlinks=False)
    elif stat.S_ISREG(found.st_mode):
        with os.fdopen(os.open(name, _FILE, dir_fd=folder), "rb") as source, into.open("xb") as target:
            shutil.copyfileobj(source, target)
        into.chmod(stat.S_IMODE(found.st_mode) & 0o777)
        os.utime(into, ns=(found.st_mtime_ns, found.st_mtime_ns))
