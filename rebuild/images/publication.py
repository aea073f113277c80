"""Pushes a verified image under its names, unless they hold its content already. Builds nothing."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from graph.errors import TrackerError
from graph.model import BuildRecord, Manifests
from graph.reference import Digest, ImageRef
from rebuild.engines.engine import CommandFailed, LocalImage, LogSink
from rebuild.images.content import content_id_of
from rebuild.images.registry import NotFound
from rebuild.images.tools import Tools


class NotWhatWasPushed(TrackerError):
    """The name holds something else than what was pushed to it a moment ago."""


async def publish(
    record: BuildRecord, image: LocalImage, tools: Tools, log: LogSink
) -> BuildRecord | CommandFailed:
    """Push under every name, unless every name holds the same content already."""
    asked_at = tools.now()
    held = await held_already(record, tools)
    if held is not None:
        log(f"unchanged: {record.images[0]} holds this content as {held.digest}; not pushed\n".encode())
        return replace(record, manifests=held, built_at=asked_at)
    digests = set()
    for reference in record.images:
        pushed = await tools.engine.push(image, reference, log)
        if isinstance(pushed, CommandFailed):
            return pushed
        digests.add(pushed.digest)
    pushed_at = tools.now()
    answered = await _answered(record, digests, tools)
    return replace(record, manifests=answered, pushed=True, built_at=pushed_at)


async def held_already(record: BuildRecord, tools: Tools) -> Manifests | None:
    """What the names hold, if all of them hold the same digest and that has the content of this build."""
    digests = set()
    for reference in record.images:
        try:
            digests.add(await tools.registry.digest(reference))
        except NotFound:
            return None
    if len(digests) != 1:
        return None
    digest = digests.pop()
    if not await _same_content(record.images[0], digest, record, tools):
        return None
    return tools.memory.known_manifests(digest) or await tools.registry.manifests(record.images[0], digest)


async def _same_content(reference: ImageRef, digest: Digest, record: BuildRecord, tools: Tools) -> bool:
    last = tools.memory.newest_build(reference)
    if last is not None and last.digest == digest:
        return last.content_id == record.content_id
    manifests = await tools.registry.manifests(reference, digest)
    manifest = manifests.for_platform(record.platforms[0])
    if manifest is None or len(manifests.platforms) > 1:
        return False
    return content_id_of(await tools.registry.image_config(reference, manifest)) == record.content_id


async def _answered(record: BuildRecord, pushed: Set[Digest | None], tools: Tools) -> Manifests:
    """What the registry says that the name holds now; checked, for a tag is anybody's to move."""
    reference = record.images[0]
    digest = await tools.registry.digest(reference)
    if digest not in pushed and not await _same_content(reference, digest, record, tools):
        raise NotWhatWasPushed(
            f"{reference} was pushed, and now holds something else: {digest}",
            hint="somebody else pushed to it in the same moment; nothing was recorded; build again",
        )
    return await tools.registry.manifests(reference, digest)
