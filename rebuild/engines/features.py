"""Which engine understands which part of the Dockerfile language, and what to say where it does not.

podman builds with buildah, whose version `podman info` tells and this table goes by. docker builds
with BuildKit (its version of the language comes with the daemon, or with the image that a
`# syntax=` line names) or with the legacy builder. docs/engines.md has the sources. Where a source
leaves doubt the later version stands: a refusal names a way out, a wrong promise fails in the build.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

from graph.dockerfile import Feature, FeatureUse, Scan
from graph.words import Via
from rebuild.engines.engine import Engine, EngineError

if TYPE_CHECKING:  # most machines have none
    from rebuild.engines.workers import Worker

Version = tuple[int, ...]


class Builder(StrEnum):
    """What reads the Dockerfile, underneath the engine's name."""

    BUILDAH = "buildah"
    BUILDKIT = "buildkit"
    LEGACY = "legacy"


# buildah's version, and the first podman that has it in it.
_BUILDAH: dict[Feature, tuple[Version, str]] = {
    Feature.RUN_MOUNT: ((1, 24), "4.0"),
    Feature.COPY_CHMOD: ((1, 24), "4.0"),
    Feature.ADD_CHMOD: ((1, 24), "4.0"),
    Feature.RUN_NETWORK: ((1, 30), "4.5"),
    Feature.HEREDOC: ((1, 33), "4.8"),
    Feature.ADD_CHECKSUM: ((1, 34), "5.0"),
    Feature.COPY_EXCLUDE: ((1, 38), "5.3"),
    Feature.ADD_EXCLUDE: ((1, 38), "5.3"),
    Feature.ADD_GIT: ((1, 39), "5.4"),
    Feature.COPY_PARENTS: ((1, 40), "5.5"),
    Feature.COPY_LINK: ((1, 41), "5.6"),
    Feature.ADD_LINK: ((1, 41), "5.6"),
}

# The docker daemon's version, with BuildKit.
_BUILDKIT: dict[Feature, Version] = {
    Feature.RUN_MOUNT: (20, 10),
    Feature.COPY_CHMOD: (20, 10),
    Feature.ADD_CHMOD: (20, 10),
    Feature.RUN_NETWORK: (23,),
    Feature.HEREDOC: (23,),
    Feature.COPY_LINK: (23,),
    Feature.ADD_LINK: (23,),
    Feature.ADD_CHECKSUM: (25,),
    Feature.ADD_KEEP_GIT_DIR: (25,),
    Feature.ADD_GIT: (25,),
    Feature.COPY_EXCLUDE: (29,),
    Feature.ADD_EXCLUDE: (29,),
    Feature.COPY_PARENTS: (29,),
    Feature.ADD_UNPACK: (29,),
}


def version_of(text: str) -> Version:
    """The numbers at the start of a version: (20, 10, 24) of `20.10.24+dfsg1`."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", text.strip())
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def understood(builder: Builder, version: Version) -> frozenset[Feature]:
    """What that version of a builder understands of its own; buildah's version, or the docker daemon's."""
    match builder:
        case Builder.BUILDAH:
            return frozenset(feature for feature, (since, _) in _BUILDAH.items() if version >= since)
        case Builder.BUILDKIT:
            return frozenset(feature for feature, since in _BUILDKIT.items() if version >= since)
        case Builder.LEGACY:
            return frozenset()


def who_has(feature: Feature) -> str:
    """The engines that have it, for people: `podman 4.8 or newer, or docker 23 or newer with BuildKit`."""
    engines = []
    if feature in _BUILDAH:
        engines.append(f"podman {_BUILDAH[feature][1]} or newer")
    if feature in _BUILDKIT:
        engines.append(f"docker {'.'.join(map(str, _BUILDKIT[feature]))} or newer with BuildKit")
    return ", or ".join(engines)


def refusals(
    uses: Iterable[FeatureUse], *, path: str, engine: str, features: frozenset[Feature]
) -> tuple[str, ...]:
    """One message, `path:line: …`, for each use of what is not among `features`, in file order."""
    return tuple(
        f"{path}:{use.line}: {_refusal(use.feature, engine)}" for use in uses if use.feature not in features
    )


def refuse_foreign(path: str, found: Scan, engine: Engine, workers: Iterable[Worker] = ()) -> None:
    """Raise `EngineError` if the build would run a program that does not start where the engine is, and of
    which no worker has the platform."""
    for stage in found.stages:
        why = stage.runs and engine.cannot_run(stage.runs.platform)
        if stage.reachable and stage.runs and why:
            platform = stage.runs.platform
            others = "".join(
                f"; worker {one.name} has {', '.join(map(str, one.platforms))}" for one in workers
            )
            raise EngineError(
                f"{path}:{stage.runs.line}: RUN needs a machine for {platform}: {why}{others}",
                hint=f"name a docker daemon that has it in the settings, [workers.NAME] with platforms ="
                f' ["{platform}"]; or build without RUN: COPY works for {platform} here',
            )


def refuse(path: str, found: Scan, engine: Engine) -> None:
    """Raise `EngineError` with every refusal if the engine does not understand the Dockerfile at `path`.

    Where the engine really uses the image of a `# syntax=` line, nobody but that image knows.
    """
    if engine.reads_syntax_line and any(base.via is Via.SYNTAX for base in found.bases):
        return
    where = f" of worker {engine.worker}" if engine.worker else ""
    told = f"{engine.name} {engine.version}{where}"
    messages = refusals(found.features, path=path, engine=told, features=engine.features)
    if messages:
        raise EngineError(
            "\n".join(messages),
            hint="upgrade the engine, choose another with the setting `engine`, or write the file without it",
        )


def _refusal(feature: Feature, engine: str) -> str:
    having = who_has(feature)
    if not having:
        return f"{feature} is not understood by {engine}, nor by any engine as tracker uses it"
    return f"{feature} is not understood by {engine}; it needs {having}"
