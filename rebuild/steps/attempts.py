"""How often a step is tried: retries after failures, repetitions, what was printed. Starts nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from graph.record import dataclass
from rebuild.engines.engine import LogSink
from rebuild.taskfile import Step

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one try ended. `error` is None where it went well."""

    error: str | None = None
    exit_code: int | None = None
    printed_reason: bool = True  # whether what it printed is a reason to try again


Try = Callable[[], Awaitable[Attempt]]


async def persist(step: Step, attempt: Try, say: Say, *, what: str) -> Attempt:
    """Try, retry and repeat as the step says. A failed repetition does not end the others.

    The last exit code counts, and every error. `what` names the thing that is tried, for the log.
    """
    errors: list[str] = []
    last = Attempt()
    for _ in range(step.repeat + 1):
        last = await _with_retries(step, attempt, say, what)
        if last.error is not None:
            errors.append(last.error)
    return Attempt(", ".join(errors) or None, last.exit_code)


async def _with_retries(step: Step, attempt: Try, say: Say, what: str) -> Attempt:
    for left in range(step.retries, -1, -1):
        ended = await attempt()
        if ended.error is None:
            return ended
        if not left or not ended.printed_reason:
            say(f"Container failed during run: {what}. {_why_no_retry(step, ended)}")
            return ended
        say(f"Container failed during run: {what}, waiting {step.retry_delay_s} seconds before retrying...")
        await asyncio.sleep(step.retry_delay_s)
    raise AssertionError("a step is tried at least once")


def _why_no_retry(step: Step, ended: Attempt) -> str:
    if step.retries and not ended.printed_reason:
        return "It printed none of retryOnErrors: not tried again."
    return "No retries remaining."


class Spotter:
    """Hands a stream on, and notes whether one of a few texts has passed by; across pieces, too."""

    def __init__(self, texts: Sequence[str], log: LogSink) -> None:
        self._texts = [text.encode() for text in texts]
        self._log = log
        self._end = b""
        self._longest = max((len(text) for text in self._texts), default=0)
        self.seen = not self._texts  # where nothing is asked for, everything is a reason

    def __call__(self, piece: bytes) -> None:
        if not self.seen:
            text = self._end + piece
            self.seen = any(wanted in text for wanted in self._texts)
            self._end = text[-self._longest :]
        self._log(piece)
