"""Images of several platforms under one name: what is recorded of them, and their push as an index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from graph.model import BuildRecord, Manifests
from graph.reference import Digest, ImageRef
from rebuild.engines.container import Containers
from rebuild.engines.engine import CommandFailed, LogSink
from rebuild.images.content import content_id_of
from rebuild.images.publication import NotWhatWasPushed
from rebuild.images.registry import NotFound
from rebuild.images.tools import Tools
from rebuild.steps.images import BuiltImage
from rebuild.steps.step_build import platform_name


async def publish_index(
    record: BuildRecord, built: BuiltImage, tools: Tools, containers: Containers, *, log: LogSink
) -> BuildRecord | CommandFailed:
    """Push it under the one name of the record, unless that holds the same content for the same platforms."""
    name = record.images[0]
    held = await held_index(record, tools)
    if held is not None:
        log(f"unchanged: {name} holds this content as {held.digest}; not pushed\n".encode())
        return replace(record, manifests=held, built_at=tools.now())
    failed = await _push(name, built, tools, containers, log=log)
    if failed is not None:
        return failed
    pushed_at = tools.now()
    answered = await held_index(record, tools)
    if answered is None:
        raise NotWhatWasPushed(
            f"{name} was pushed, and now holds something else",
            hint="somebody else pushed to it in the same moment; nothing was recorded; run it again",
        )
    return replace(record, manifests=answered, pushed=True, built_at=pushed_at)


async def _push(
    name: ImageRef, built: BuiltImage, tools: Tools, containers: Containers, *, log: LogSink
) -> CommandFailed | None:
    """From here. Workers push what they have built before, under names beside that of the index."""
    here = [part.image for part in built.parts.values() if part.engine.worker is None]
    pushed = []
    for platform, part in built.parts.items():
        if part.engine.worker is None:
            continue
        beside = ImageRef.parse(platform_name(str(name), platform))
        told = await part.engine.push(part.image, beside, log)
        if isinstance(told, CommandFailed):
            return told
        pushed.append(beside.with_digest(told.digest or await tools.registry.digest(beside)))
    return await containers.push_index(here, name, log, pushed=pushed)


def record_of_index(built: BuiltImage) -> BuildRecord:
    """All platforms as one build."""
    records = [part.record for part in built.parts.values()]
    return replace(
        records[0],
        content_id=_together(record.content_id for record in records),
        platforms=tuple(built.parts),
        bases=tuple(base for record in records for base in record.bases),
        resolved_at=min(record.resolved_at for record in records),
        duration_s=round(sum(record.duration_s for record in records), 3),
    )


async def held_index(record: BuildRecord, tools: Tools) -> Manifests | None:
    """What the one name of the record holds, if that is this very content for just these platforms."""
    name = record.images[0]
    try:
        manifests = await tools.registry.manifests(name, await tools.registry.digest(name))
    except NotFound:
        return None
    found = [manifests.for_platform(platform) for platform in record.platforms]
    if len(manifests.platforms) != len(found) or None in found:
        return None
    configs = [await tools.registry.image_config(name, one) for one in found if one is not None]
    return manifests if _together(map(content_id_of, configs)) == record.content_id else None


def _together(content_ids: Iterable[Digest]) -> Digest:
    text = "\n".join(sorted(map(str, content_ids)))
    return Digest("sha256", hashlib.sha256(text.encode()).hexdigest())
