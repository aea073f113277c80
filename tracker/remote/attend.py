"""Stays with a run of a service until it has its outcome: prints its log, and asks what Ctrl-C means."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from enum import Enum
from typing import Any

import click

from graph.errors import TrackerError
from graph.record import dataclass
from tracker.remote.client import Client, Refused, Unreachable, quoted
from tracker.remote.follow import PATIENCE_S, Follower
from tracker.remote.service import Wait

POLL_S = 2.0  # without the log


class Detached(TrackerError):
    """The command ends, and the run goes on."""

    exit_code = 130


class _Choice(Enum):
    CANCEL = "c"
    DETACH = "d"
    GO_ON = "g"


def attend(client: Client, run_id: str, wait: Wait) -> dict[str, Any]:
    """The run with its outcome, or as it stands where nobody waits. Raises `Detached` after Ctrl-C."""
    match wait:
        case Wait.NOT:
            return _run(client, run_id)
        case Wait.OUTCOME:
            return _until_told(client, run_id, Poller(client, run_id, _say_lost_quietly).outcome)
        case Wait.LOG:
            follower = Follower(client, run_id, to_terminal, _say_standing, _say_lost)
            return _until_told(client, run_id, follower.follow)


def to_terminal(piece: bytes) -> None:
    sys.stderr.buffer.write(piece)
    sys.stderr.buffer.flush()


def say(line: str) -> None:
    click.echo(line, err=True)


def _say_standing(status: str) -> None:
    if status == "Queued":
        say("Waiting for a worker...")


def _say_lost(fault: Exception) -> None:
    say(f"\nthe connection is lost ({fault}): trying again")


def _say_lost_quietly(fault: TrackerError) -> None:
    say(f"the connection is lost ({fault.message}): trying again")


def _until_told(client: Client, run_id: str, work: Any) -> dict[str, Any]:
    """The work again and again, until it ends by itself or somebody wants no more of it."""
    while True:
        try:
            told: dict[str, Any] = work()
            return told
        except KeyboardInterrupt:
            match _asked(run_id):
                case _Choice.CANCEL:
                    _cancel(client, run_id)
                case _Choice.DETACH:
                    raise _detached(client, run_id) from None
                case _Choice.GO_ON:
                    continue


def _asked(run_id: str) -> _Choice:
    """What Ctrl-C means; a second one, or nobody to ask, detaches."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return _Choice.DETACH
    try:
        say("")
        text = click.prompt(
            f"run {run_id}: [c]ancel it, [d]etach and let it go on, or [g]o on here",
            type=click.Choice([choice.value for choice in _Choice]),
            default=_Choice.DETACH.value,
            show_choices=False,
            err=True,
        )
    except (click.Abort, KeyboardInterrupt):
        say("")  # the answer is still to come on that line
        return _Choice.DETACH
    return _Choice(text)


def _cancel(client: Client, run_id: str) -> None:
    try:
        client.post(f"/runs/{quoted(run_id)}/cancel")
    except Refused as error:
        say(f"warning: {error.message}")  # it came to its own end meanwhile


def _detached(client: Client, run_id: str) -> Detached:
    return Detached(f"run {run_id} goes on without this command", hint=f"'tracker logs {run_id} --follow'")


@dataclass(slots=True)
class Poller:
    """Asks for the outcome of one run again and again, as patient as whoever follows its log."""

    client: Client
    run_id: str
    lost: Callable[[TrackerError], None]  # the connection, the first time in a row
    patience_s: float = PATIENCE_S
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def outcome(self) -> dict[str, Any]:
        """Raises what `Client.get` does, for a service that is away `Unreachable` in the end."""
        heard_at, is_lost = self.clock(), False
        while True:
            try:
                run = _run(self.client, self.run_id)
                if run["finished_at"] is not None:
                    return run
                heard_at, is_lost = self.clock(), False
            except (Unreachable, Refused) as fault:
                is_final = isinstance(fault, Refused) and not fault.may_pass
                if is_final or self.clock() - heard_at > self.patience_s:
                    raise
                if not is_lost:
                    self.lost(fault)
                is_lost = True
            self.sleep(POLL_S)


def _run(client: Client, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = client.get(f"/runs/{quoted(run_id)}")
    return run
