"""Runs the program of an engine, and says so where it fails or is gone. Knows no engine's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph.record import dataclass
from rebuild.engines.engine import CommandFailed, EngineError, LogSink
from rebuild.process import TO_THE_LOG, Captured, Ended, Streams, capture, run

ASK_TIMEOUT_S = 120.0
CARRY_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program with the options and environment variables that every call of it has."""

    name: str  # for messages
    command: tuple[str, ...]
    variables: Mapping[str, str]

    async def ask(self, *arguments: str, timeout_s: float = ASK_TIMEOUT_S) -> Captured:
        """What it answers, whatever its exit status. Raises `EngineError` where it cannot be called."""
        try:
            return await capture([*self.command, *arguments], env=self.variables, timeout_s=timeout_s)
        except FileNotFoundError as error:
            raise self._gone(error) from None

    async def must(self, *arguments: str, timeout_s: float = ASK_TIMEOUT_S) -> Captured:
        """What it answers; raises `EngineError` where it fails."""
        answer = await self.ask(*arguments, timeout_s=timeout_s)
        if answer.exit_code != 0:
            raise EngineError(f"{self.name} {arguments[0]} failed: {answer.complaint}")
        return answer

    async def run(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        log: LogSink,
        *,
        timeout_s: float,
        streams: Streams = TO_THE_LOG,
    ) -> Ended:
        """Carry out a whole command line with these variables; what it prints goes to the log, unless
        `streams` lead it elsewhere."""
        try:
            return await run([*argv], env=variables, log=log, timeout_s=timeout_s, streams=streams)
        except FileNotFoundError as error:
            raise self._gone(error) from None

    def _gone(self, error: FileNotFoundError) -> EngineError:
        return EngineError(f"{error} is gone", hint=f"install {self.name} again")


def failed(ended: Ended) -> CommandFailed:
    """A command that did not do what it was for, as the value that says so."""
    return CommandFailed(ended.exit_code, ended.text, ended.timed_out)
