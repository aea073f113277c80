"""One `push` step: what builds of the same run gave, under the names that it lists, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from graph.errors import WrongUse
from graph.reference import ImageRef
from rebuild.engines.engine import CommandFailed
from rebuild.images.publication import publish
from rebuild.images.registry import RegistryUnavailable
from rebuild.steps.attempts import Attempt, Try
from rebuild.steps.images import BuiltImage, with_bases
from rebuild.steps.index import publish_index
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
    """Push each name, and note what its registry then holds."""
    for name in names:
        built = _built(name, step, site)
        if not site.pushes:
            site.narrator.say(step.id, f"Not pushed: {name}, for this run only tries it out")
            continue
        failed = await _persistently(name, built, step, site)
        if failed is not None:
            return Attempt(f"failed to push images successfully: {name}: {failed.log_tail}")
    return Attempt()


async def _persistently(name: ImageRef, built: BuiltImage, step: Step, site: Site) -> CommandFailed | None:
    """None once it is there. What the last try raised, or failed with, is the answer."""
    for number in range(1, TRIES + 1):
        site.narrator.say(step.id, f"Pushing image: {name}, attempt {number}")
        try:
            answer = await _publish(name, built, step, site)
        except RegistryUnavailable:
            if number == TRIES:
                raise
        else:
            if isinstance(answer, Published):
                site.published.append(answer)
                return None
            if number == TRIES:
                return replace(answer, log_tail=(answer.log_tail.strip().splitlines() or [""])[-1])
        await asyncio.sleep(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**number))
    raise AssertionError("the last try ends it")


async def _publish(name: ImageRef, built: BuiltImage, step: Step, site: Site) -> Published | CommandFailed:
    log = site.narrator.output(step)
    used = site.used_before(built.step)
    if built.is_index:
        record = await publish_index(name, built, site, log, used)
    else:
        (part,) = built.parts.values()
        record_of_name = with_bases(replace(part.record, images=(name,)), used)
        site.before_push(record_of_name)
        record = await publish(record_of_name, part.image, replace(site.tools, engine=part.engine), log)
    return record if isinstance(record, CommandFailed) else Published(built.step, name, record)


def _built(name: ImageRef, step: Step, site: Site) -> BuiltImage:
    built = site.images.built(name)
    if built is None:
        raise WrongUse(
            f"step {step.id!r} is to push {name}, which no step of this run has built",
            hint="give a build step that name with -t, and let this step wait for it",
        )
    return built
