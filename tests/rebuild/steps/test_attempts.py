"""How often a step is tried, and what of its output is a reason to try again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.steps.attempts import Attempt, Spotter, persist
from tests.rebuild.taskfile.reading import one_step

GOOD, BAD = Attempt(None, 0), Attempt("exit status 1", 1)


async def tried(properties: str, *answers: Attempt) -> tuple[Attempt, int, list[str]]:
    """What came of it when the tries end like these, how many of them there were, and what was said."""
    given_out: list[Attempt] = []
    said: list[str] = []

    async def attempt() -> Attempt:
        given_out.append(answers[len(given_out)])
        return given_out[-1]

    step = replace(one_step(f"cmd: x\n{properties}"), retry_delay_s=0)
    return await persist(step, attempt, said.append, what="web"), len(given_out), said


@pytest.mark.anyio
async def test_a_success_is_not_repeated_by_itself() -> None:
    assert await tried("retries: 5", GOOD) == (GOOD, 1, [])


@pytest.mark.anyio
async def test_retries_are_used_up_and_told() -> None:
    ended, tries, said = await tried("retries: 2", BAD, BAD, BAD)

    assert (ended.error, ended.exit_code, tries) == ("exit status 1", 1, 3)
    assert said == [
        "Container failed during run: web, waiting 0 seconds before retrying...",
        "Container failed during run: web, waiting 0 seconds before retrying...",
        "Container failed during run: web. No retries remaining.",
    ]


@pytest.mark.anyio
async def test_each_repetition_has_retries_of_its_own_and_every_error_is_kept() -> None:
    ended, tries, _ = await tried("retries: 1\nrepeat: 2", BAD, BAD, BAD, GOOD, BAD, BAD)

    assert (ended.error, tries) == ("exit status 1, exit status 1", 6)


@pytest.mark.anyio
async def test_a_failure_without_a_reason_to_retry_is_final() -> None:
    ended, tries, said = await tried("retries: 5\nretryOnErrors: [a]", replace(BAD, printed_reason=False))

    assert (ended.error, tries) == ("exit status 1", 1)
    assert said == ["Container failed during run: web. It printed none of retryOnErrors: not tried again."]


@given(st.text("ab", max_size=40), st.lists(st.text("ab", min_size=1, max_size=5)), st.data())
def test_texts_are_seen_across_pieces(output: str, texts: list[str], data: st.DataObject) -> None:
    passed = bytearray()
    spotter = Spotter(texts, passed.extend)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(output)))))

    for start, end in zip([0, *cuts], [*cuts, len(output)], strict=True):
        spotter(output[start:end].encode())

    assert spotter.seen is (not texts or any(text in output for text in texts))
    assert passed.decode() == output
