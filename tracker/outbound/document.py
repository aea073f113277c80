"""What receivers are told, as JSON with a version; docs/notifications.md describes it. Has no words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from graph.clock import from_text, to_text
from rebuild.runs.record import Status
from tracker.outbound.notice import Ended, EndedWave, Notice
from tracker.views.runs import run_json

VERSION = 1
RUNS_MOST = 100  # of a wave; those that failed come first
_RUN_KEYS = (
    "run_id",
    "task",
    "status",
    "cause",
    "platform",
    "images",
    "outputs",
    "error",
    "hint",
    "attempt",
    "created_at",
    "started_at",
    "finished_at",
    "duration_s",
)

Document = dict[str, Any]


def log_url(public_url: str | None, run_id: str) -> str | None:
    """Where the log of a run is read; None where the settings do not say how others reach the service."""
    return f"{public_url}/api/v1/runs/{run_id}/log" if public_url else None


def of_run(ended: Ended, public_url: str | None) -> Document:
    run = _run(ended, public_url)
    return _document(f"run.{_word(ended)}", str(run["finished_at"]), {"run": run})


def of_wave(wave: EndedWave, runs: Sequence[Ended], public_url: str | None, at: datetime) -> Document:
    """`runs` are those that concern the receiver. One that is not over is told as it stands."""
    ended_at = wave.finished_at or to_text(at)
    ordered = sorted(runs, key=lambda ended: ended.run.status is Status.SUCCEEDED)
    succeeded = sum(ended.run.status is Status.SUCCEEDED for ended in runs)
    failed = sum(Status(ended.run.status) not in (Status.SUCCEEDED, Status.CANCELED) for ended in runs)
    told = {
        "number": wave.number,
        "created_at": wave.created_at,
        "finished_at": wave.finished_at,
        "duration_s": _seconds(wave.created_at, ended_at),
        "tasks_planned": wave.planned,
        "tasks_run": len(wave.runs),
        "tasks_succeeded": succeeded,
        "tasks_failed": failed,
    }
    return _document(
        "wave.finished" if wave.finished_at else "wave.waiting",
        ended_at,
        {
            "wave": told,
            "runs": [_run(ended, public_url) for ended in ordered[:RUNS_MOST]],
            "runs_left_out": max(0, len(ordered) - RUNS_MOST),
        },
    )


def of_test(channel: str, at: datetime) -> Document:
    return _document("test", to_text(at), {"channel": channel})


def _document(kind: str, timestamp: str, told: Document) -> Document:
    return {"type": kind, "version": VERSION, "timestamp": timestamp, "data": told}


def _run(ended: Ended, public_url: str | None) -> Document:
    run = ended.run
    plain = _plain(ended)
    return {
        **{key: plain[key] for key in _RUN_KEYS},
        "outcome": _word(ended),
        "reason": run.reason,
        "log_url": log_url(public_url, run.run_id),
    }


def _plain(ended: Ended) -> Document:
    finished_at = ended.run.finished_at
    assert finished_at is not None  # only runs that are over are told
    return run_json(ended.run, from_text(finished_at))


def _word(ended: Ended) -> str:
    """How a run went, in the words of the notices; `failed` for one whose failure was told before, too."""
    if Notice.RECOVERED in ended.notices:
        return str(Notice.RECOVERED)
    match ended.run.status:
        case Status.SUCCEEDED:
            return str(Notice.SUCCEEDED)
        case Status.CANCELED:
            return "canceled"
        case _:
            return str(Notice.FAILED)


def _seconds(start: str, end: str) -> float:
    return round((from_text(end) - from_text(start)).total_seconds(), 3)
