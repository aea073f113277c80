"""Where a build is carried out: here, or on a worker that has the platform. Builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from graph.dockerfile import Base, Scan
from graph.reference import Platform
from rebuild.engines.emulation import this_machine
from rebuild.engines.engine import Engine, LogSink
from rebuild.engines.workers import runs_of, sent_away
from rebuild.images.at_hand import AllAtHand, AtHand
from rebuild.images.tools import Tools

ReadOn = Callable[[Platform], Scan]  # the Dockerfile, as on a machine of that platform


def may_go_away(found: Scan, tools: Tools) -> bool:
    """Whether a worker could be the one to build it; none is asked."""
    return tools.workers is not None and any(sent_away(found, tools.workers.known, host=this_machine()))


async def place_build(
    found: Scan, read_on: ReadOn, tools: Tools, log: LogSink, *, at_hand: AllAtHand
) -> tuple[Tools, Scan]:
    """The tools with the engine that builds, and the Dockerfile as it reads there.

    That is the first worker that has every platform of which the build runs programs, else this machine. A
    build that runs none is carried out where its base is, if a worker has built that for this run.
    """
    if tools.workers is None:
        return tools, found
    for worker in sent_away(found, tools.workers.known, host=this_machine()):
        engine = await tools.workers.engine(worker)
        there = read_on(engine.machine)
        if not any(engine.cannot_run(run.platform) for run in runs_of(there)):
            log(f"built on worker {worker}: docker {engine.version} on {engine.machine}\n".encode())
            return _on(engine, tools), there
    holder = _holder_of_base(found, at_hand)
    if holder is None or runs_of(found):
        return tools, found
    log(f"built on worker {holder.worker}, which has its base\n".encode())
    return _on(holder, tools), read_on(holder.machine)


async def have_there(here: Iterable[Base], at_hand: AllAtHand, engine: Engine) -> AllAtHand:
    """What is at hand, with the bases of this build in the storage of the engine that builds."""
    wanted = {base.reference for base in here}
    return {
        reference: await _at(engine, known) if reference in wanted else known
        for reference, known in at_hand.items()
    }


async def _at(engine: Engine, known: AtHand) -> AtHand:
    if known.engine.worker == engine.worker:
        return known
    return replace(known, image=await known.brought(engine), engine=engine)


def _on(engine: Engine, tools: Tools) -> Tools:
    return replace(tools, engine=engine, build_platform=engine.machine)


def _holder_of_base(found: Scan, at_hand: AllAtHand) -> Engine | None:
    """The engine of a worker that has a base of the build, where one has."""
    bases = (at_hand[base.reference] for base in found.bases if base.reachable and base.reference in at_hand)
    return next((known.engine for known in bases if known.engine.worker is not None), None)
