"""Puts decisions and runs into words for people: why, and what a person can do about it. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, assert_never

from graph.staleness import Decision, Reason, Verdict
from tracker.wording import ago, familiar, listed, printable, short_digest

_REASONS: Mapping[Reason, str] = {
    Reason.FRESH: "nothing that it stands on has moved",
    Reason.BASE_MOVED: "a base has moved",
    Reason.NEWER_TAG: "there is a newer tag of a base",
    Reason.REQUESTED: "a commit waits to be built",
    Reason.RUNNING: "its rebuild is queued or under way",
    Reason.NO_TASK: "no task builds it",
    Reason.PAUSED: "its task is disabled",
    Reason.UNFOLLOWED: "its task does not follow the bases that moved",
    Reason.CANCELED: "somebody canceled its last run, and nothing has moved since",
    Reason.PLATFORM_GONE: "a base no longer has a platform that it is built for",
    Reason.PINNED: "its base is pinned by digest, and the tag beside it has moved",
}


def why_decided(decision: Decision, names: Mapping[int, str], now: datetime) -> str:
    """The reason as the rest of a sentence; `names` are those of the images it waits for."""
    waits_for = listed([familiar(names[image_id]) for image_id in decision.waits_for])
    match decision.reason:
        case Reason.BASE_PENDING:
            return f"{waits_for} comes first" if len(decision.waits_for) == 1 else f"{waits_for} come first"
        case Reason.BASE_FAILED:
            return f"the rebuild of {waits_for} failed, or waits for one that failed"
        case Reason.RETRY_LATER:
            return f"run {decision.run_id} failed; the next try is {ago(decision.until, now)}"
        case Reason.SETTLING:
            return f"a base moved a moment ago and may move again; it counts {ago(decision.until, now)}"
        case _:
            return _REASONS[decision.reason]


def way_out(reason: Reason) -> str | None:
    """What a person can do about a blocked image; None where waiting is all."""
    match reason:
        case Reason.NO_TASK:
            return "save one: tracker build CONTEXT -t NAME --task TASK"
        case Reason.PAUSED:
            return "enable the task, or build the image by hand"
        case Reason.UNFOLLOWED:
            return "run the task, or see 'tracker task update --help' on base-image triggers"
        case Reason.CANCELED:
            return "start it again: tracker task run TASK"
        case Reason.PLATFORM_GONE:
            return "choose another base, or build without that platform"
        case Reason.PINNED:
            return "write the new digest into the file, or take the digest out so that the tag is followed"
        case Reason.RETRY_LATER | Reason.BASE_FAILED:
            return "read the log of the failed run: tracker logs RUN"
        case (
            Reason.FRESH
            | Reason.BASE_MOVED
            | Reason.NEWER_TAG
            | Reason.REQUESTED
            | Reason.BASE_PENDING
            | Reason.RUNNING
            | Reason.SETTLING
        ):
            return None
    assert_never(reason)


def why_asked(reason: Sequence[Mapping[str, Any]], cause: str) -> str:
    """Why a run exists; `reason` as runs keep it."""
    parts = [part for part in map(_because, reason) if part]
    return listed([*dict.fromkeys(parts)]) if parts else f"cause {cause}"


def _because(told: Mapping[str, Any]) -> str:
    if "base" in told:
        return how_moved(told)
    if "timer" in told:
        return f"timer {printable(told['timer'])} was due at {told['due_at']}"
    if "commit" in told:
        return f"commit {printable(str(told['commit']))[:12]} of {printable(str(told.get('subject', '')))}"
    return ""


def how_moved(told: Mapping[str, Any]) -> str:
    """Of a base, from where to where."""
    platform = f" ({told['platform']})" if told.get("platform") else ""
    change = f"{short_digest(told['from'])} → {short_digest(told['to'])}"
    if newer := told.get("newer_tag"):
        return f"{familiar(newer)}{platform} is newer than {familiar(told['base'])}, {change}"
    return f"{familiar(told['base'])}{platform} moved, {change}"


def verdict_colour(verdict: Verdict) -> str:
    match verdict:
        case Verdict.KEEP:
            return "green"
        case Verdict.REBUILD | Verdict.WAIT:
            return "yellow"
        case Verdict.BLOCKED:
            return "red"
    assert_never(verdict)
