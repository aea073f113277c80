"""The last sentence on a run, in the words that scripts look for. Knows no run."""

from __future__ import annotations

from typing import assert_never

from rebuild.runs.record import Status


def summary(run_id: str, status: Status, took_s: float | None) -> str:
    """`Run ID: c7 was successful after 27s`; `took_s` is None where it never started."""
    after = "" if took_s is None else f" after {round(max(0.0, took_s))}s"
    return f"Run ID: {run_id} {_what_became(status)}{after}"


def _what_became(status: Status) -> str:
    match status:
        case Status.SUCCEEDED:
            return "was successful"
        case Status.FAILED:
            return "failed"
        case Status.CANCELED:
            return "was canceled"
        case Status.ERROR:
            return "ended with an error"
        case Status.TIMEOUT:
            return "timed out"
        case Status.QUEUED | Status.STARTED | Status.RUNNING:
            return f"is {status}"
    assert_never(status)
