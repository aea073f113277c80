"""From how a run stands to what a forge is told of its commit. Pure."""

from __future__ import annotations

from rebuild.runs.record import Status
from rebuild.sources.commit_statuses import REPLACED, Pending
from tracker.forges.kind import ForgeKind
from tracker.forges.statuses import CommitStatus, State, tells_running
from tracker.wording import clock_text

_STATES = {
    Status.QUEUED: State.PENDING,
    Status.STARTED: State.PENDING,
    Status.RUNNING: State.RUNNING,
    Status.SUCCEEDED: State.SUCCESS,
    Status.FAILED: State.FAILURE,
    Status.TIMEOUT: State.FAILURE,
    Status.ERROR: State.ERROR,
    Status.CANCELED: State.CANCELED,
}


def state_of(status: str) -> State:
    return State.CANCELED if status == REPLACED else _STATES[Status(status)]


def is_news(one: Pending, kind: ForgeKind) -> bool:
    """Whether the forge would show something else than it does."""
    return one.told is None or _shown(one.told, kind) is not _shown(one.status, kind)


def commit_status(one: Pending, task: str, log_url: str | None) -> CommitStatus:
    """Why a run failed is in its log, for those who may read that: the page of a commit may be public."""
    return CommitStatus(
        commit=one.commit,
        state=state_of(one.status),
        context=f"tracker/{task}",
        description=_description(one),
        link=log_url,
        ref=one.ref,
    )


def _shown(status: str, kind: ForgeKind) -> State:
    state = state_of(status)
    return State.PENDING if state is State.RUNNING and not tells_running(kind) else state


def _description(one: Pending) -> str:
    run, took = f"run {one.run_id}", "" if one.duration_s is None else f" after {clock_text(one.duration_s)}"
    if one.status == REPLACED:
        return f"{run} builds something newer instead"
    match Status(one.status):
        case Status.QUEUED | Status.STARTED:
            return f"{run} waits for its turn"
        case Status.RUNNING:
            return f"{run} is under way"
        case Status.SUCCEEDED:
            return f"{run} succeeded{took}"
        case Status.FAILED:
            return f"{run} failed{took}"
        case Status.TIMEOUT:
            return f"{run} took too long and was ended{took}"
        case Status.ERROR:
            return f"{run} could not be carried out"
        case Status.CANCELED:
            return f"{run} was canceled"
