"""Works off the outbox: every receiver by itself, each message until it is taken or given up. Words none."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from graph.database import immediate
from graph.errors import StoreBusy
from rebuild.runs.outbox import Lane, Message, Outbox
from tracker.lanes import Lanes
from tracker.metrics import MessageResult, Metrics
from tracker.outbound.announce import Announcer
from tracker.outbound.delivery import Delivered, Delivery, NotDelivered, Persistence
from tracker.outbound.ended import Unannounced
from tracker.pulse import unheard

TICK_S = 1.0
LANES_MOST = 8  # receivers that are sent to at the same time
_BUSY_S = 1.0

log = structlog.get_logger()


class Courier:
    """Owns what goes out of this process."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        announcer: Announcer,
        send: Callable[[Message], Awaitable[Delivery]],
        metrics: Metrics,
        now: Callable[[], datetime],
        *,
        persistence: Persistence | None = None,
        chance: Callable[[], float] = random.random,
        beat: Callable[[], None] = unheard,
        tick_s: float = TICK_S,
        lanes_most: int = LANES_MOST,
    ) -> None:
        self._sql = connection
        self._outbox = Outbox(connection)
        self._announcer = announcer
        self._send = send
        self._metrics = metrics
        self._now = now
        self._persistence = persistence or Persistence()
        self._chance = chance
        self._beat = beat
        self._tick_s = tick_s
        self._lanes: Lanes[Lane] = Lanes(now, most=lanes_most)
        self._changed = asyncio.Event()

    async def work(self) -> None:
        """Announce, send, wait; until cancelled. What is being sent then is sent again at the next start."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._beat()
                self._changed.clear()
                try:
                    self._announce()
                    self._start_due(group)
                except StoreBusy as error:
                    log.warning("cannot look for messages now", error=error.message)
                # Not wait_for: until 3.12 it loses a cancellation that comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._tick_s):
                        await self._changed.wait()

    def _announce(self) -> None:
        unannounced = Unannounced(self._sql, self._now())
        if not unannounced.runs(1) and not unannounced.waves(1):  # without holding up who writes
            return
        with immediate(self._sql):
            if self._announcer.announce(self._sql, self._now()):
                self._changed.set()  # there may be more

    def _start_due(self, group: asyncio.TaskGroup) -> None:
        due = self._outbox.next_of_each_lane(self._now())
        self._lanes.start(group, due, of=lambda message: message.lane, work=self._carry)

    async def _carry(self, lane: Lane, messages: Sequence[Message]) -> None:
        """What is next in the lane. Nothing that goes wrong here ends the other lanes."""
        try:
            for message in messages:
                await self._deliver(message)
        except Exception as error:
            # The database does not take what came of it: it stays, and must not be tried in a circle.
            self._rest(lane, self._persistence.rest_most_s)
            log.error("cannot note what came of a message", channel=lane.receiver, exc_info=error)
        finally:
            self._changed.set()

    def _rest(self, lane: Lane, rest_s: float) -> None:
        self._lanes.rest(lane, self._now() + timedelta(seconds=rest_s))

    async def _deliver(self, message: Message) -> None:
        delivery = await self._sent(message)
        while True:
            try:
                with immediate(self._sql):
                    self._settle(message, delivery)
                return
            except StoreBusy as error:
                log.warning("cannot note what came of a message", error=error.message)
                await asyncio.sleep(_BUSY_S)

    async def _sent(self, message: Message) -> Delivery:
        try:
            return await self._send(message)
        except Exception as error:  # a defect of ours: this message waits, no other does
            log.error("message could not be sent", delivery=message.delivery, exc_info=error)
            return NotDelivered(f"a fault of tracker itself: {type(error).__name__}")

    def _settle(self, message: Message, delivery: Delivery) -> None:
        """Write down what came of it, and tell."""
        match delivery:
            case Delivered(answer=answer):
                self._outbox.remove(message)
                self._tell(message, MessageResult.DELIVERED, answer=answer)
            case NotDelivered():
                self._settle_failure(message, delivery)

    def _settle_failure(self, message: Message, failed: NotDelivered) -> None:
        at = self._now()
        delay_s = self._persistence.delay_s(message.tries + 1, self._chance(), failed.retry_after_s)
        due_at = at + timedelta(seconds=delay_s)
        if failed.is_final or self._persistence.is_over(message, due_at):
            self._outbox.remove(message)
            self._tell(message, MessageResult.GIVEN_UP, error=failed.why, hint=failed.hint)
            return
        self._outbox.put_off(message, due_at, failed.why)
        self._rest(message.lane, self._persistence.rest_s(failed, delay_s))
        self._tell(
            message, MessageResult.FAILED, error=failed.why, hint=failed.hint, next_try_s=round(delay_s, 1)
        )

    def _tell(self, message: Message, result: MessageResult, **more: object) -> None:
        kind = message.lane.kind
        self._metrics.messages.labels(kind, result).inc()
        tell = {
            MessageResult.DELIVERED: log.info,
            MessageResult.FAILED: log.warning,
            MessageResult.GIVEN_UP: log.error,
        }[result]
        told = {name: value for name, value in more.items() if value is not None}
        tell(
            f"message {result}",
            channel=message.lane.receiver,
            by=str(kind),
            delivery=message.delivery,
            about=message.body.get("type", "update"),
            tries=message.tries + 1,
            **told,
        )
