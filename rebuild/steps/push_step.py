"""One `push` step: what builds of the same run gave, under the names that it lists, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from graph.errors import WrongUse
from graph.model import BuildRecord
from graph.reference import ImageRef
from rebuild.engines.engine import CommandFailed
from rebuild.images.publication import publish
from rebuild.images.registry import RegistryUnavailable
from rebuild.steps.attempts import Attempt, Try
from rebuild.steps.images import BuiltImage, with_bases
from rebuild.steps.index import publish_index, record_of_index
from rebuild.steps.run_site import Published, Site
from rebuild.taskfile import Push, Step
from rebuild.taskfile.outputs import fill

TRIES = 3
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0


async def prepare_push(step: Step, site: Site) -> Try:
    """Nothing is pushed unless every name has been built."""
    assert isinstance(step.action, Push)
    written = (fill(image, site.outputs) for image in step.action.images)
    names = tuple(dict.fromkeys(ImageRef.parse(image) for image in written))
    for name in names:
        _built(name, step, site)

    async def attempt() -> Attempt:
        return await publish_under(names, step, site)

    return attempt


async def publish_under(names: Iterable[ImageRef], step: Step, site: Site) -> Attempt:
    """Push each name, and note what its registry then holds. What an interrupted attempt has pushed stays."""
    records = {name: _record(name, _built(name, step, site), site) for name in names}
    if not site.pushes:
        for name in records:
            site.narrator.say(step.id, f"Not pushed: {name}, for this run only tries it out")
        return Attempt()
    finished = await site.intents.finished(step.id, tuple(records), site.tools)
    if finished is not None:
        _take_over(finished, step, site)
        return Attempt()
    site.intents.note(step.id, records.values())
    for name, record in records.items():
        failed = await _persistently(record, _built(name, step, site), step, site)
        if failed is not None:
            return Attempt(f"failed to push images successfully: {name}: {failed.log_tail}")
    return Attempt()


def _take_over(finished: Iterable[BuildRecord], step: Step, site: Site) -> None:
    for record in finished:
        (name,), held = record.images, record.manifests
        assert held is not None
        site.narrator.say(step.id, f"The interrupted attempt had pushed {name} as {held.digest}: recorded")
        site.published.append(Published(_built(name, step, site).step, name, record))


async def _persistently(
    record: BuildRecord, built: BuiltImage, step: Step, site: Site
) -> CommandFailed | None:
    """None once it is there. What the last try raised, or failed with, is the answer."""
    (name,) = record.images
    for number in range(1, TRIES + 1):
        site.narrator.say(step.id, f"Pushing image: {name}, attempt {number}")
        try:
            answer = await _publish(record, built, step, site)
        except RegistryUnavailable:
            if number == TRIES:
                raise
        else:
            if isinstance(answer, BuildRecord):
                site.published.append(Published(built.step, name, answer))
                return None
            if number == TRIES:
                return replace(answer, log_tail=(answer.log_tail.strip().splitlines() or [""])[-1])
        await asyncio.sleep(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**number))
    raise AssertionError("the last try ends it")


async def _publish(
    record: BuildRecord, built: BuiltImage, step: Step, site: Site
) -> BuildRecord | CommandFailed:
    log = site.narrator.output(step)
    if built.is_index:
        return await publish_index(record, built, site.tools, site.containers, log=log)
    (part,) = built.parts.values()
    return await publish(record, part.image, replace(site.tools, engine=part.engine), log)


def _record(name: ImageRef, built: BuiltImage, site: Site) -> BuildRecord:
    """All that is known before the push."""
    whole = record_of_index(built) if built.is_index else built.record
    return with_bases(replace(whole, images=(name,)), site.used_before(built.step))


def _built(name: ImageRef, step: Step, site: Site) -> BuiltImage:
    built = site.images.built(name)
    if built is None:
        raise WrongUse(
            f"step {step.id!r} is to push {name}, which no step of this run has built",
            hint="give a build step that name with -t, and let this step wait for it",
        )
    return built
