"""One `cmd` step: its image, its container, what it printed, and what it handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from graph.errors import TrackerError
from graph.reference import ImageRef
from rebuild.engines.container_pipe import ContainerCall, run_joined
from rebuild.engines.engine import CommandFailed
from rebuild.images.registry import RegistryUnavailable
from rebuild.process import Streams
from rebuild.steps.attempts import Attempt, Spotter, Try
from rebuild.steps.images import NotPulled, Runnable
from rebuild.steps.run_site import Site
from rebuild.steps.step_build import Argv
from rebuild.steps.step_container import PlannedTail
from rebuild.steps.step_plan import PlannedStep
from rebuild.steps.workspace import forget_outputs, step_outputs, write_environment
from rebuild.taskfile import Pull, Route, Step, UnreadableOutput
from rebuild.taskfile.outputs import fill

ENGINES_OWN_FAULT = 125  # what `podman run` and `docker run` answer where no container came to run
_NO_TAIL = PlannedTail(Route.LOG, Route.LOG)


async def prepare_cmd(step: Step, site: Site) -> Try:
    """Have the images here, which is not on the step's time; answers what to try."""
    if isinstance(step.action, Pull):
        return partial(_pulled, ImageRef.parse(fill(step.action.image, site.outputs)), step, site)
    planned = await _with_images(site.plan(step), site)
    tries = 0

    async def attempt() -> Attempt:
        nonlocal tries
        tries += 1
        return await _once(step, site, planned, is_first=tries == 1)

    return attempt


async def _with_images(planned: PlannedStep, site: Site) -> PlannedStep:
    """The calls with the names of the images that are recorded."""
    step, tail = planned.step, planned.tail
    own = await _with_image(planned.calls[0], step, site)
    if tail is not None:
        reader = await _with_image(tail.reader, step, site) if tail.reader else None
        after = await _with_image(tail.after, step, site) if tail.after else None
        tail = replace(tail, reader=reader, after=after)
    return replace(planned, calls=(own,), tail=tail)


async def _with_image(call: Argv, step: Step, site: Site) -> Argv:
    """The call with the name of the image that is recorded."""
    at = _place_of_image(call, len(site.containers.calls.program))
    runnable = await _with_download_retries(step, site, ImageRef.parse(call[at]))
    if runnable.base is not None:
        site.used.setdefault(step.id, {})[runnable.base.reference] = runnable.base
    return (*call[:at], runnable.name, *call[at + 1 :])


async def _pulled(name: ImageRef, step: Step, site: Site) -> Attempt:
    try:
        await site.images.runnable(name, step, site.narrator.output(step))
    except (NotPulled, RegistryUnavailable) as error:
        return Attempt(error.message, exit_code=1)
    return Attempt(None, 0)


def _place_of_image(call: Sequence[str], program: int) -> int:
    """Every flag is one word, so the first word after `run` that is none is the image."""
    return next(at for at in range(program + 1, len(call)) if not call[at].startswith("-"))


async def _with_download_retries(step: Step, site: Site, image: ImageRef) -> Runnable:
    log, say = site.narrator.output(step), site.narrator.saying(step)
    for left in range(step.download_retries if step.pull else 0, 0, -1):
        try:
            return await site.images.runnable(image, step, log)
        except NotPulled as error:
            say(f"{error.message}; {left} tries left")
            await asyncio.sleep(step.download_retry_delay_s)
    return await site.images.runnable(image, step, log)


async def _once(step: Step, site: Site, planned: PlannedStep, *, is_first: bool) -> Attempt:
    if not is_first:
        # One that is kept, or detached, has the name.
        await site.containers.remove(site.place.container(step))
        forget_outputs(site.place, step)
    site.narrator.say(step.id, f"Launching container with name: {step.id}")
    secret_file = write_environment(site.place, step, planned.environment_file) if planned.hidden else None
    try:
        attempt = await (_detached if step.detach else _attached)(step, site, planned)
    finally:
        if secret_file is not None:
            secret_file.unlink(missing_ok=True)
    if attempt.error is None:
        site.narrator.say(step.id, f"Successfully executed container: {step.id}")
    return attempt


async def _attached(step: Step, site: Site, planned: PlannedStep) -> Attempt:
    spotter = Spotter(step.retry_on_errors, site.narrator.output(step))
    exit_code = await _to_the_end(step, site, planned, spotter)
    if not _is_success(step, exit_code):
        return Attempt(f"exit status {exit_code}", exit_code, spotter.seen)
    try:
        site.outputs[step.id] = step_outputs(site.place, step)
    except UnreadableOutput as error:
        return Attempt(f"{error}: write lines of NAME=VALUE to $TRACKER_OUTPUT", exit_code)
    return Attempt(None, exit_code)


async def _to_the_end(step: Step, site: Site, planned: PlannedStep, log: Callable[[bytes], None]) -> int:
    """The exit code of the step's own container, of one that reads it, and of what comes after both."""
    own, tail = planned.calls[0], planned.tail or _NO_TAIL
    run, name, helper = site.containers.run, site.place.container(step), site.place.helper(step)
    if tail.reader is None:
        streams = _led(tail, None)
        exit_code = await run(own, name, log, timeout_s=step.timeout_s, streams=streams)
    else:
        joined = await run_joined(
            site.containers,
            ContainerCall(own, name),
            ContainerCall(tail.reader, helper),
            log,
            pipe=Path(site.place.pipe(step)),
            timeout_s=step.timeout_s,
            streams=partial(_led, tail),
        )
        exit_code = joined.exit_code
    if tail.after is None:
        return exit_code
    return await run((*tail.after[:-1], str(exit_code)), helper, log, timeout_s=step.timeout_s)


def _led(tail: PlannedTail, pipe: int | None) -> Streams:
    """The streams of the step's own container."""
    to = {Route.LOG: None, Route.NOWHERE: asyncio.subprocess.DEVNULL, Route.HELPER: pipe}
    return Streams(stdout=to[tail.stdout], stderr=to[tail.stderr])


def _is_success(step: Step, exit_code: int) -> bool:
    if exit_code == ENGINES_OWN_FAULT and exit_code not in step.exited_with:
        return False
    return step.succeeds_with(exit_code)


async def _detached(step: Step, site: Site, planned: PlannedStep) -> Attempt:
    name = site.place.container(step)
    spotter = Spotter(step.retry_on_errors, site.narrator.output(step))
    failed = await site.containers.start(planned.calls[0], name)
    if isinstance(failed, CommandFailed):
        spotter(failed.log_tail.encode())
        return Attempt(f"exit status {failed.exit_code}", failed.exit_code, spotter.seen)
    follower = asyncio.create_task(_follow(step, site, name))
    site.followers.add(follower)
    return Attempt()


async def _follow(step: Step, site: Site, name: str) -> None:
    """Tell what a detached container prints, and how it ended if it did so before the run."""
    try:
        exit_code = await site.containers.follow(name, site.narrator.output(step))
    except TrackerError as error:
        site.narrator.say(step.id, f"warning: what {step.id} prints is not to be had: {error.message}")
        return
    site.narrator.ended(step)
    if not site.is_closing and exit_code is not None:
        site.narrator.say(step.id, f"Detached container {step.id} ended with exit status {exit_code}")
