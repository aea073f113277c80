"""`tracker logs` from a service. Prints the log, and leaves the rest to the command."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tracker.remote.client import BROKEN, Client, quoted
from tracker.remote.follow import Follower
from tracker.remote.views import told_view
from tracker.views.runs import RunRow

PIECE_BYTES = 256 * 1024


def print_log_there(client: Client, asked: Mapping[str, object], *, follow: bool) -> RunRow:
    """The run as it stood when its log ended."""
    run = told_view(client, "run", RunRow, asked)
    if not follow:
        _print_whole(client, run.run_id)
        return run
    Follower(client, run.run_id, _write).follow()
    return told_view(client, "run", RunRow, {"run": run.run_id})


def _print_whole(client: Client, run_id: str) -> None:
    try:
        with client.open("GET", f"/runs/{quoted(run_id)}/log") as answer:
            while piece := answer.read(PIECE_BYTES):
                _write(piece)
    except BrokenPipeError:
        raise  # the reader of our output has seen enough
    except BROKEN as error:
        raise client.unreachable(error) from error


def _write(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
