"""Puts times, counts and decisions into words for people. Reads nothing; `now` is an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_never

from graph.clock import from_text
from graph.reference import ImageRef
from graph.staleness import Decision, Reason, Verdict

_UNITS_S = ((365 * 86400, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def familiar(name: str) -> str:
    """A full image name for people: without Docker Hub's registry and `library/`, a digest cut short."""
    reference = ImageRef.parse(name)
    if reference.digest is None:
        return reference.familiar
    return f"{reference.familiar.removesuffix(reference.digest.hex)}{reference.digest.short}…"


def short_digest(digest: str | None) -> str:
    """The first twelve digits; `-` for none."""
    return digest.partition(":")[2][:12] if digest else "-"


def age(since: str | None, now: datetime) -> str:
    """`3h`, for a column; `-` where the time is not known."""
    if since is None:
        return "-"
    count, unit = _rounded(max(0.0, (now - from_text(since)).total_seconds()))
    return f"{count}{unit[0]}"


def ago(moment: str | datetime | None, now: datetime) -> str:
    """`3 hours ago`, `in 5 minutes`, `just now`, `never`, for a sentence."""
    if moment is None:
        return "never"
    moment = from_text(moment) if isinstance(moment, str) else moment
    passed_s = (now - moment).total_seconds()
    if abs(passed_s) < 1:
        return "just now"
    spoken = counted(*_rounded(abs(passed_s)))
    return f"{spoken} ago" if passed_s > 0 else f"in {spoken}"


def clock_text(seconds: float | None) -> str:
    """`01:02:03`; `-` where there is no duration."""
    if seconds is None:
        return "-"
    minutes, second = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 image`, `2 images`."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def listed(words: Sequence[str], most: int = 4) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 7 more`."""
    shown = list(words[:most]) + ([f"{len(words) - most} more"] if len(words) > most else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def printable(text: str) -> str:
    """Foreign text on one line and without the control characters that could move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text).strip()


_REASONS: Mapping[Reason, str] = {
    Reason.FRESH: "nothing that it stands on has moved",
    Reason.BASE_MOVED: "a base has moved",
    Reason.RUNNING: "its rebuild is queued or under way",
    Reason.NO_TASK: "no task builds it",
    Reason.PAUSED: "its task is disabled",
    Reason.PLATFORM_GONE: "a base no longer has a platform that it is built for",
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
        case Reason.PLATFORM_GONE:
            return "choose another base, or build without that platform"
        case Reason.RETRY_LATER | Reason.BASE_FAILED:
            return "read the log of the failed run: tracker logs RUN"
        case Reason.FRESH | Reason.BASE_MOVED | Reason.BASE_PENDING | Reason.RUNNING | Reason.SETTLING:
            return None
    assert_never(reason)


def verdict_colour(verdict: Verdict) -> str:
    match verdict:
        case Verdict.KEEP:
            return "green"
        case Verdict.REBUILD | Verdict.WAIT:
            return "yellow"
        case Verdict.BLOCKED:
            return "red"
    assert_never(verdict)


def _rounded(seconds: float) -> tuple[int, str]:
    """The largest unit of which there are at least two, so that nothing is rounded by more than a half."""
    for unit_s, unit in _UNITS_S:
        if seconds >= 2 * unit_s:
            return int(seconds // unit_s), unit
    return int(seconds), "second"
