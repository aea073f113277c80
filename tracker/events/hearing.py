"""What to do about each push that letters tell of: ask the registry, wait, or nothing. Asks nobody.

An event is a hint: only the registry's answer counts. However many hints there are of a reference, it is one
question, and one hint of them that is not settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from graph.observing import Watched
from graph.record import dataclass
from tracker.events.push import Push
from tracker.metrics import EventResult
from tracker.watching.inbox import Letter
from tracker.watching.watch import Answer

AGAIN_S = 0.02  # the first pause where the registry does not show yet what it told of
EARLY_MOST_S = 5.0  # the age of a letter up to which that is thought possible
SPACING_S = 2.0  # a reference that is told of without a digest is asked about no more often


@dataclass(frozen=True, slots=True)
class Told:
    """One push that a letter tells of, and the watched reference that it may have moved."""

    letter: Letter
    push: Push
    found: Watched | None

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to ask: nobody stands on it, or what it tells was seen already."""
        if self.found is None:
            return True
        if self.push.digest is not None:
            return self.push.digest == self.found.observed
        asked_at = self.found.checked_at
        return asked_at is not None and asked_at > self.letter.received_at


def to_ask(told: Iterable[Told], now: datetime) -> dict[int, Watched]:
    """The references to ask about now, each once, by their numbers."""
    return {
        each.found.image_id: each.found
        for each in told
        if each.found and not each.is_settled and _spacing_s(each, now) <= 0
    }


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of some letters."""

    waits_s: Mapping[int, float]  # by the numbers of letters that are not settled: when to look again
    results: tuple[tuple[Letter, EventResult], ...]  # one for each push of the settled ones


def hear(told: Iterable[Told], answers: Iterable[Answer], now: datetime) -> Heard:
    """Sort the letters, given oldest first, into those that are settled and those that are not.

    Of several that could wait for the same reference only the newest does: it has overtaken the others.
    """
    by_image = {answer.watched.image_id: answer for answer in answers}
    came = [(each, *_came_of(each, by_image, now)) for each in told]
    newest = {each.found.image_id: each for each, _, wait_s in came if each.found and wait_s is not None}
    waits_s: dict[int, float] = {}
    results: list[tuple[Letter, EventResult]] = []
    for each, result, wait_s in came:
        if wait_s is None or each.found is None:
            results.append((each.letter, result))
        elif newest[each.found.image_id] is each:
            waits_s[each.letter.letter_id] = min(wait_s, waits_s.get(each.letter.letter_id, wait_s))
        else:
            results.append((each.letter, EventResult.OVERTAKEN))
    settled = ((letter, result) for letter, result in results if letter.letter_id not in waits_s)
    return Heard(waits_s, tuple(settled))


def _came_of(told: Told, answers: Mapping[int, Answer], now: datetime) -> tuple[EventResult, float | None]:
    """The result, and in how many seconds to look again; None: it is final."""
    if told.found is None:
        return EventResult.UNWATCHED, None
    if told.is_settled:
        return EventResult.KNOWN, None
    answer = answers.get(told.found.image_id)
    if answer is None:
        return EventResult.ASKED, max(AGAIN_S, _spacing_s(told, now))
    return EventResult.ASKED, _early_s(told, answer)


def _early_s(told: Told, answer: Answer) -> float | None:
    """When to ask again, if the registry does not show yet what it told of.

    The distribution registry tells of a push before it moves the tag. So an answer that differs counts
    only when the letter has some age; until then each pause is as long as all before it.
    """
    if answer.error is not None or told.push.digest in (None, answer.digest):
        return None
    age_s = (answer.at - told.letter.received_at).total_seconds()
    return max(AGAIN_S, age_s) if age_s < EARLY_MOST_S else None


def _spacing_s(told: Told, now: datetime) -> float:
    """How long to wait for others before asking: a storm of pushes without digests is one question."""
    if told.push.digest is not None or told.found is None or told.found.checked_at is None:
        return 0.0
    return SPACING_S - (now - told.found.checked_at).total_seconds()
