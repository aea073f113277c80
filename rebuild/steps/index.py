"""Images of several platforms under one name: what is recorded of them, and their push as an index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from graph.model import BuildRecord, Manifests, RecordedBase
from graph.reference import Digest, ImageRef
from rebuild.engines.engine import CommandFailed, LogSink
from rebuild.images.content import content_id_of
from rebuild.images.publication import NotWhatWasPushed
from rebuild.images.registry import NotFound
from rebuild.steps.images import BuiltImage, with_bases
from rebuild.steps.run_site import Site
from rebuild.steps.step_build import platform_name


async def publish_index(
    name: ImageRef, built: BuiltImage, site: Site, log: LogSink, used: Iterable[RecordedBase]
) -> BuildRecord | CommandFailed:
    """Push it, unless the name holds the same content for the same platforms already."""
    record = with_bases(replace(record_of_index(built), images=(name,)), used)
    held = await _held(name, built, site)
    if held is not None:
        log(f"unchanged: {name} holds this content as {held.digest}; not pushed\n".encode())
        return replace(record, manifests=held, built_at=site.tools.now())
    site.before_push(record)
    failed = await _push(name, built, site, log)
    if failed is not None:
        return failed
    pushed_at = site.tools.now()
    answered = await _held(name, built, site)
    if answered is None:
        raise NotWhatWasPushed(
            f"{name} was pushed, and now holds something else",
            hint="somebody else pushed to it in the same moment; nothing was recorded; run it again",
        )
    return replace(record, manifests=answered, pushed=True, built_at=pushed_at)


async def _push(name: ImageRef, built: BuiltImage, site: Site, log: LogSink) -> CommandFailed | None:
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
        pushed.append(beside.with_digest(told.digest or await site.tools.registry.digest(beside)))
    return await site.containers.push_index(here, name, log, pushed=pushed)


def record_of_index(built: BuiltImage) -> BuildRecord:
    """All platforms as one build."""
    records = [part.record for part in built.parts.values()]
    together = "\n".join(sorted(str(record.content_id) for record in records))
    return replace(
        records[0],
        content_id=Digest("sha256", hashlib.sha256(together.encode()).hexdigest()),
        platforms=tuple(built.parts),
        bases=tuple(base for record in records for base in record.bases),
        resolved_at=min(record.resolved_at for record in records),
        duration_s=round(sum(record.duration_s for record in records), 3),
    )


async def _held(name: ImageRef, built: BuiltImage, site: Site) -> Manifests | None:
    """What the name holds, if that is this very content for just these platforms."""
    registry = site.tools.registry
    try:
        digest = await registry.digest(name)
        manifests = await registry.manifests(name, digest)
    except NotFound:
        return None
    if len(manifests.platforms) != len(built.parts):
        return None
    for platform, part in built.parts.items():
        manifest = manifests.for_platform(platform)
        if manifest is None:
            return None
        if content_id_of(await registry.image_config(name, manifest)) != part.record.content_id:
            return None
    return manifests
