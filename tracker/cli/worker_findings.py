"""What `tracker doctor` finds of workers: asks each, and compares what its docker says with the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from graph.errors import TrackerError
from rebuild.engines.emulation import is_native
from rebuild.engines.surroundings import Surroundings
from rebuild.engines.worker_engine import WorkerEngine, open_worker
from rebuild.engines.workers import Worker
from tracker.cli.finding import Finding, Mark
from tracker.settings.settings import Settings
from tracker.state import State
from tracker.workshop import surroundings


async def worker_findings(settings: Settings, state: State, *, afresh: bool) -> list[Finding]:
    """All workers are asked at once, for each that is away is waited for."""
    around = surroundings(settings, state)
    workers = [section.named(name) for name, section in settings.workers.items()]
    found = await asyncio.gather(*(_asked(worker, around, afresh=afresh) for worker in workers))
    return [finding for findings in found for finding in findings]


async def _asked(worker: Worker, around: Surroundings, *, afresh: bool) -> list[Finding]:
    try:
        engine = await open_worker(around, None, worker, afresh=afresh)
    except TrackerError as error:
        return [Finding(f"worker {worker.name}", Mark.FAULT, error.message, error.hint)]
    return list(_told(worker, engine))


def _told(worker: Worker, engine: WorkerEngine) -> Iterator[Finding]:
    subject, probe = f"worker {worker.name}", engine.probe
    sent = ", ".join(map(str, worker.platforms))
    text = (
        f"docker {engine.version} at {worker.host} on {engine.machine}, builder {probe.builder}: gets {sent}"
    )
    if probe.can_build:
        yield Finding(subject, Mark.OK, text)
    else:
        last = probe.notes[-1] if probe.notes else "nothing works"
        yield Finding(subject, Mark.FAULT, f"docker {engine.version} at {worker.host} cannot build: {last}")
    foreign = [str(one) for one in worker.platforms if not is_native(one, host=engine.machine)]
    if foreign:
        lead = f"its docker says {engine.machine}: {', '.join(foreign)} can run there by emulation alone"
        yield Finding(subject, Mark.NOTE, lead)
