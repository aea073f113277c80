"""SIGTERM and SIGHUP for a command that has containers to end first. Ctrl-C is asyncio's own to hear."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

from graph.errors import TrackerError

_NUMBERS = (signal.SIGTERM, signal.SIGHUP)


class ToldToEnd(TrackerError):
    """A signal has ended the command; what it had under way is cleared up."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(f"ended by {number.name}")
        self.exit_code = 128 + number  # as shells have it


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block such a signal cancels the task, and then ends the block with `ToldToEnd`.

    A signal that whoever started us has switched off, as nohup does, stays so. For the main thread.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        told.append(number)
        task.cancel()

    heard = [number for number in _NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
        raise ToldToEnd(told[0]) from None
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
