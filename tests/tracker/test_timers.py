"""The clock of the service: on time, at once after a change, through clocks that are set, for thousands."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from graph.clock import now, to_text
from graph.database import immediate
from rebuild.tasks.due_timers import Missed, TimerRules
from rebuild.tasks.schedule import Schedule
from rebuild.tasks.timers import Timer, Timers
from tests.graph_samples import Sample
from tracker.metrics import Metrics
from tracker.timers import AT_ONCE_MOST, TICK_S, TimerClock

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = Timer("hourly", Schedule.parse("0 * * * *"))
SOON_S = 60.0  # the most that anything here may take on a busy machine


@dataclass
class Hand:
    """The hands of a clock that a test sets."""

    at: datetime = (
        NOON  # APScheduler, which goes by the real time, is awaited only where this is the real one
    )

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Rig:
    """A clock on a database of its own, with a scheduler that really runs."""

    sample: Sample
    clock: TimerClock
    scheduler: AsyncIOScheduler
    metrics: Metrics
    hand: Hand
    woken: asyncio.Event

    def say(self, *timers: Timer, task: str = "web") -> int:
        task_id = self.sample.task(task, f"localhost:5000/{task}:1").task_id
        with immediate(self.sample.sql):
            Timers(self.sample.sql).replace(task_id, timers, self.hand())
        return task_id

    def runs(self) -> int:
        return int(self.sample.sql.execute("SELECT count(*) FROM runs").fetchone()[0])

    def finish_runs(self) -> None:
        with immediate(self.sample.sql):
            self.sample.sql.execute("UPDATE runs SET status = 'Succeeded', finished_at = created_at")

    def effects(self, effect: str) -> float | None:
        return self.metrics.registry.get_sample_value("tracker_timers_due_total", {"effect": effect})


@contextlib.asynccontextmanager
async def rig(
    sample: Sample, rules: TimerRules | None = None, *, at: datetime = NOON, tick_s: float = TICK_S
) -> AsyncIterator[Rig]:
    hand, metrics, woken = Hand(at), Metrics(), asyncio.Event()
    scheduler = AsyncIOScheduler(timezone="UTC")
    clock = TimerClock(
        sample.sql,
        woken.set,
        rules or TimerRules(),
        metrics,
        hand,
        scheduler=scheduler,
        tick_s=tick_s,
    )
    scheduler.start()
    try:
        yield Rig(sample, clock, scheduler, metrics, hand, woken)
    finally:
        scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # it does so in the loop


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    yield made
    made.sql.close()


async def test_a_timer_that_is_due_makes_a_run_and_wakes_who_carries_it_out(sample: Sample) -> None:
    async with rig(sample) as made:
        made.say(HOURLY)
        await made.clock.look()
        before = made.runs()

        made.hand.at += HOUR
        await made.clock.look()

        assert (before, made.runs(), made.woken.is_set()) == (0, 1, True)
        assert made.effects("fired") == 1


async def test_one_job_stands_for_all_timers(sample: Sample) -> None:
    async with rig(sample) as made:
        for number in range(20):
            made.say(HOURLY, Timer("daily", Schedule.parse(f"{number} 3 * * *")), task=f"task-{number}")

        await made.clock.look()

        (job,) = made.scheduler.get_jobs()
        assert job.next_run_time == NOON + HOUR


async def test_the_job_follows_the_timers(sample: Sample) -> None:
    async with rig(sample) as made:
        made.say(HOURLY)
        await made.clock.look()
        made.say(Timer("hourly", Schedule.parse("30 * * * *")))
        await made.clock.look()
        sooner = [job.next_run_time for job in made.scheduler.get_jobs()]
        made.say()

        await made.clock.look()

        assert sooner == [NOON + HOUR / 2]
        assert made.scheduler.get_jobs() == []


async def test_a_timer_that_another_process_wrote_goes_off_by_itself(sample: Sample) -> None:
    async with rig(sample, at=now()) as made:
        made.say(HOURLY)
        working = asyncio.create_task(made.clock.work())
        await asyncio.sleep(0)
        other = sample.state.write()
        other.execute("UPDATE timers SET next_at = ?", (to_text(made.hand.at - HOUR),))
        other.close()

        async with asyncio.timeout(SOON_S):
            await made.woken.wait()
        working.cancel()

        assert made.runs() == 1


async def test_the_job_of_the_scheduler_ends_the_wait_for_the_nearest_time(sample: Sample) -> None:
    """Long before the next regular look."""
    async with rig(sample, at=now(), tick_s=2 * SOON_S) as made:
        made.say(HOURLY)
        due = made.hand.at + timedelta(seconds=0.2)
        with immediate(sample.sql):
            sample.sql.execute("UPDATE timers SET next_at = ?", (to_text(due),))
        working = asyncio.create_task(made.clock.work())
        await asyncio.sleep(0)

        made.hand.at += timedelta(seconds=1)
        async with asyncio.timeout(SOON_S):
            await made.woken.wait()
        working.cancel()

        assert made.runs() == 1


async def test_a_machine_that_slept_fires_once_for_all_that_it_slept_through(sample: Sample) -> None:
    async with rig(sample) as made:
        made.say(HOURLY)
        await made.clock.look()

        made.hand.at += 3 * DAY
        for _ in range(3):
            await made.clock.look()

        assert made.runs() == 1


async def test_a_machine_that_slept_fires_nothing_where_missed_times_are_left_out(sample: Sample) -> None:
    async with rig(sample, TimerRules(Missed.SKIP)) as made:
        made.say(HOURLY)
        await made.clock.look()

        made.hand.at += 3 * DAY + HOUR / 2
        await made.clock.look()

        assert (made.runs(), made.effects("missed")) == (0, 1)


async def test_a_clock_that_is_set_back_over_a_time_does_not_fire_it_again(sample: Sample) -> None:
    async with rig(sample) as made:
        made.say(HOURLY)
        made.hand.at += HOUR
        await made.clock.look()
        made.finish_runs()

        made.hand.at -= timedelta(minutes=10)
        await made.clock.look()
        made.hand.at += timedelta(minutes=15)
        await made.clock.look()

        assert made.runs() == 1


async def test_a_clock_that_was_years_ahead_for_a_while_loses_no_time_afterwards(sample: Sample) -> None:
    async with rig(sample) as made:
        made.say(HOURLY)
        await made.clock.look()
        made.hand.at += 3650 * DAY
        await made.clock.look()
        made.finish_runs()

        made.hand.at = NOON + HOUR / 2
        await made.clock.look()
        made.hand.at += HOUR
        await made.clock.look()

        assert made.runs() == 2


async def test_other_jobs_go_on_when_the_clock_is_set_back(sample: Sample) -> None:
    """APScheduler alone would wait until the old time has come again."""
    async with rig(sample, at=now()) as made:
        ran = asyncio.Event()

        async def job() -> None:
            ran.set()

        made.scheduler.add_job(job, "interval", hours=1)
        await made.clock.look()

        made.hand.at -= DAY
        await made.clock.look()

        async with asyncio.timeout(SOON_S):
            await ran.wait()


async def test_timers_of_the_service_before_this_one_are_found_at_the_start(sample: Sample) -> None:
    async with rig(sample) as made:
        made.say(HOURLY)
        with immediate(sample.sql):
            sample.sql.execute("UPDATE timers SET next_at = NULL, planned_at = NULL")

        await made.clock.look()

        (job,) = made.scheduler.get_jobs()
        assert job.next_run_time == NOON + HOUR


async def test_more_timers_than_one_transaction_takes_all_fire(sample: Sample) -> None:
    async with rig(sample) as made:
        count = AT_ONCE_MOST + 5
        for number in range(count):
            made.say(HOURLY, task=f"task-{number}")

        made.hand.at += HOUR
        await made.clock.look()

        assert made.runs() == count
