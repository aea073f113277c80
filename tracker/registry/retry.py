"""Waits out passing faults of a registry. Knows the errors and a patience, not what is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from rebuild.images.pause import OnPause, Pause
from rebuild.images.registry import RegistryUnavailable
from tracker.registry.settings import Clock, Patience

Result = TypeVar("Result")


def untold(pause: Pause) -> None:
    """Nobody is told."""


async def patiently(
    call: Callable[[], Awaitable[Result]], patience: Patience, clock: Clock, on_pause: OnPause = untold
) -> Result:
    """The call's result. A passing fault is tried again after what the registry asked for, if the
    patience reaches that far; else the fault is raised at once, so nobody waits in vain. `on_pause` hears
    of every wait before it begins."""
    started = clock.monotonic()
    try:
        return await call()
    except RegistryUnavailable as error:
        faults = [error]  # only now tenacity: it costs more than the rest of a call that goes well
    jitter = wait_random_exponential(multiplier=patience.first_s, max=patience.most_s)

    def wait(state: RetryCallState) -> float:
        asked = _fault_of(state).retry_after_s
        return jitter(state) if asked is None else asked

    def too_late(state: RetryCallState) -> bool:
        return clock.monotonic() - started + state.upcoming_sleep > patience.total_s

    def tell(state: RetryCallState) -> None:
        until = clock.now() + timedelta(seconds=state.upcoming_sleep)
        on_pause(Pause(_fault_of(state).message, state.upcoming_sleep, until))

    async def again() -> Result:
        if faults:
            raise faults.pop()
        return await call()

    retrying = AsyncRetrying(
        sleep=clock.sleep,
        before_sleep=tell,
        stop=lambda state: stop_after_attempt(patience.attempts)(state) or too_late(state),
        wait=wait,
        retry=retry_if_exception_type(RegistryUnavailable),
        reraise=True,
    )
    return await retrying(again)


def _fault_of(state: RetryCallState) -> RegistryUnavailable:
    assert state.outcome is not None
    fault = state.outcome.exception()
    assert isinstance(fault, RegistryUnavailable)
    return fault
