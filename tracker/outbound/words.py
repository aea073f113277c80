"""A document in words for people: a subject and a body. Adds nothing that is not in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from graph.record import dataclass
from tracker.reasons import how_moved, why_asked
from tracker.settings.written import duration_text
from tracker.wording import counted, familiar, listed, printable, short_digest

_LINES_MOST = 25
_ERROR_MOST = 500
_SUBJECT_MOST = 150
_FAILURES = {"Timeout": "timed out", "Error": "could not be carried out"}


class Mood(StrEnum):
    """How apprise colours a message; the values are its own."""

    GOOD = "success"
    BAD = "failure"
    PLAIN = "info"


@dataclass(frozen=True, slots=True)
class Words:
    subject: str
    body: str
    mood: Mood


def words_of(document: Mapping[str, Any]) -> Words:
    told = document["data"]
    match document["type"]:
        case "test":
            return Words(
                "tracker: test",
                f"This is a test of the channel {told['channel']}: messages arrive.",
                Mood.PLAIN,
            )
        case "wave.finished" | "wave.waiting" if len(told["runs"]) > 1:
            return _of_wave(told)
        case "wave.finished" | "wave.waiting":
            return _of_run(told["runs"][0])
        case _:
            return _of_run(told["run"])


def _of_run(run: Mapping[str, Any]) -> Words:
    subject = f"tracker: {_name(run)} {_went(run)}"
    body = "\n".join(line for line in _lines_of_run(run) if line)
    return Words(_short(subject, _SUBJECT_MOST), body, _mood(run))


def _lines_of_run(run: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_name(run)} {_went(run)} after {_took(run)}."
    yield f"Why it ran: {why_asked(run['reason'], run['cause'])}"
    yield f"Error: {_error(run)}" if run["error"] else ""
    yield f"What to do: {printable(run['hint'])}" if run["hint"] else ""
    pushed = [
        f"{familiar(output['reference'])}@{short_digest(output['digest'])}" for output in run["outputs"]
    ]
    yield f"Made: {listed(pushed)}" if pushed else ""
    yield f"Log of run {run['run_id']}: {_log(run)}"


def _of_wave(told: Mapping[str, Any]) -> Words:
    wave, runs = told["wave"], told["runs"]
    count = wave["tasks_succeeded"]
    done = f"{counted(count, 'task')} rebuilt" if count else "nothing rebuilt"
    failed = f", {wave['tasks_failed']} failed" if wave["tasks_failed"] else ""
    lines = [f"{done}{failed}, in {_span(wave['duration_s'])}.", *_reasons_of(runs), *_left_of(wave), ""]
    lines += [_line_of_wave(run) for run in runs[:_LINES_MOST]]
    more = len(runs) - _LINES_MOST + told["runs_left_out"]
    lines += [f"… and {more} more"] if more > 0 else []
    return Words(f"tracker: {done}{failed}", "\n".join(lines), Mood.BAD if failed else Mood.GOOD)


def _line_of_wave(run: Mapping[str, Any]) -> str:
    line = f"- {_name(run)} {_went(run)} after {_took(run)}"
    if run["outcome"] != "failed":
        return line
    return f"{line}: {_error(run)}\n  log: {_log(run)}"


def _left_of(wave: Mapping[str, Any]) -> list[str]:
    left = wave["tasks_planned"] - wave["tasks_run"]
    if left <= 0:
        return []
    what = "needed no rebuild, or waits for one" if left == 1 else "needed no rebuild, or wait for one"
    return [f"{counted(left, 'more task')} {what} that failed."]


def _reasons_of(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The bases that moved, each once; not those that the wave itself has made."""
    made = {output["reference"] for run in runs for output in run["outputs"]}
    moved = dict.fromkeys(
        how_moved(told) for run in runs for told in run["reason"] if told.get("base") not in {None, *made}
    )
    return [f"Because {listed([*moved])}."] if moved else []


def _name(run: Mapping[str, Any]) -> str:
    """Its task; of a quick run what it was to make."""
    if run["task"] or not run["images"]:
        return str(run["task"] or f"run {run['run_id']}")
    return printable(run["images"][0])  # which may be a template that only the run fills in


def _went(run: Mapping[str, Any]) -> str:
    if run["outcome"] == "recovered":
        return "works again"
    return _FAILURES.get(run["status"], str(run["outcome"]))


def _log(run: Mapping[str, Any]) -> str:
    return str(run["log_url"] or f"tracker logs {run['run_id']}")


def _mood(run: Mapping[str, Any]) -> Mood:
    return Mood.BAD if run["outcome"] == "failed" else Mood.GOOD


def _error(run: Mapping[str, Any]) -> str:
    return _short(printable(run["error"] or ""), _ERROR_MOST)


def _took(run: Mapping[str, Any]) -> str:
    return _span(run["duration_s"])


def _span(seconds: float | None) -> str:
    return duration_text(round(seconds) if seconds >= 1 else round(seconds, 1)) if seconds else "0s"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
