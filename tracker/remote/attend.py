"""Stays with a run of a service until it has its outcome: prints its log, and asks what Ctrl-C means."""

from __future__ import annotations

import sys
import time
from enum import Enum
from typing import Any

import click

from graph.errors import TrackerError
from tracker.remote.client import Client, Refused, quoted
from tracker.remote.follow import Follower
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
            return _until_told(client, run_id, lambda: _poll(client, run_id))
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
        return _Choice.DETACH
    return _Choice(text)


def _cancel(client: Client, run_id: str) -> None:
    try:
        client.post(f"/runs/{quoted(run_id)}/cancel")
    except Refused as error:
        say(f"warning: {error.message}")  # it came to its own end meanwhile


def _detached(client: Client, run_id: str) -> Detached:
    return Detached(f"run {run_id} goes on without this command", hint=f"'tracker logs {run_id} --follow'")


def _poll(client: Client, run_id: str) -> dict[str, Any]:
    while (run := _run(client, run_id))["finished_at"] is None:
        time.sleep(POLL_S)
    return run


def _run(client: Client, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = client.get(f"/runs/{quoted(run_id)}")
    return run
