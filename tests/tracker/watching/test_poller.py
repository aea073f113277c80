"""Polling several registries: none waits for another, and none is asked twice at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from graph.clock import now
from graph.reference import Digest, ImageRef
from tests.graph_samples import Sample, digest_of
from tracker.metrics import Metrics
from tracker.registry import BudgetLeft
from tracker.watching.intake import Intake
from tracker.watching.poller import Poller
from tracker.watching.watch import Asker, Intervals

pytestmark = pytest.mark.anyio

SILENT, QUICK = "silent.example.com", "quick.example.com"


class Registries:
    """One answers that nothing has moved, the other not at all until `speak` is set."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.speak = asyncio.Event()
        self.answered_often = asyncio.Event()

    def prepare(self, references: object) -> None:
        """There is no token to fetch."""

    def budgets(self) -> Mapping[str, BudgetLeft]:
        return {}

    async def digest(self, reference: ImageRef, *, known: Digest | None = None) -> Digest:
        self.asked[reference.registry] += 1
        if reference.registry == SILENT:
            await self.speak.wait()
        elif self.asked[QUICK] >= 2:
            self.answered_often.set()
        return known or digest_of("base")


class Nobody:
    def look_within(self) -> None:
        pass

    def start(self) -> None:
        pass


class Rig:
    """A poller of both registries, with a clock that goes on by itself."""

    def __init__(self, folder: Path) -> None:
        self.sample = Sample.make(folder)
        for host in (SILENT, QUICK):
            self.sample.build(f"{host}/app:1", f"{host}/base:1", hours=1)
        sql = self.sample.sql
        sql.execute("DELETE FROM observations WHERE image_id NOT IN (SELECT base_id FROM edges)")
        sql.execute("UPDATE observations SET due_at = '2026-01-01T00:00:00.000Z'")
        self.registries, metrics, self.at = Registries(), Metrics(), now()
        intervals = Intervals(60.0, {}, jitter=0.0)
        asker = Asker(self.registries, metrics, self.clock)  # type: ignore[arg-type]
        intake = Intake(sql, Nobody(), metrics, intervals)
        self.poller = Poller(sql, asker, intake, intervals, metrics, self.clock)

    def clock(self) -> datetime:
        self.at += timedelta(seconds=30)
        return self.at


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.sample.sql.close()


async def test_no_registry_waits_for_one_that_does_not_answer(rig: Rig) -> None:
    working = asyncio.create_task(rig.poller.work())
    async with asyncio.timeout(50):
        await rig.registries.answered_often.wait()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working

    assert rig.registries.asked[SILENT] == 1


async def test_a_registry_is_asked_again_once_it_has_answered(rig: Rig) -> None:
    looking = asyncio.create_task(rig.poller.ask_due())
    await asyncio.sleep(0)
    await rig.poller.ask_due()
    rig.registries.speak.set()
    await looking
    asked_before = rig.registries.asked[SILENT]
    rig.at += timedelta(hours=1)
    await rig.poller.ask_due()

    assert (asked_before, rig.registries.asked[SILENT]) == (1, 2)
