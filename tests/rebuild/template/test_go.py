"""Templates mean what Go and Sprig take them to mean: recorded results, each of one line of the table."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rebuild.template import Surroundings, TemplateError, render

SURROUNDINGS = Surroundings(datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), Random(1))
VALUES: dict[str, Any] = {
    "a": {"b": 1, "z": {"q": "deep"}},
    "s": "x y",
    "l": [3, 1, 2],
    "n": None,
    "f": 1.5,
    "e": {},
    "t": True,
    "big": "The quick brown Fox",
    "ls": ["b", "a", "c", "a"],
}


def recorded() -> list[Any]:
    """(template, what Go writes; None where it refuses)."""
    lines = (Path(__file__).parent / "go_says.txt").read_text().splitlines()
    asked = [line for line in lines if not line.startswith("#")]
    return [
        pytest.param(question[2:], json.loads(answer[2:]) if answer != "!" else None, id=question[2:60])
        for question, answer in zip(asked[::2], asked[1::2], strict=True)
    ]


@pytest.mark.parametrize(("template", "written"), recorded())
def test_a_template_writes_what_go_writes_and_is_refused_where_go_refuses_it(
    template: str, written: str | None
) -> None:
    if written is None:
        with pytest.raises(TemplateError, match=r"^t:1: "):
            render(template, copy.deepcopy(VALUES), path="t", surroundings=SURROUNDINGS)
    else:
        done = render(template, copy.deepcopy(VALUES), path="t", surroundings=SURROUNDINGS)

        assert done.text == written


def test_rendering_leaves_the_callers_values_as_they_were() -> None:
    values = {"d": {"k": ["v"]}}

    render('{{ $_ := set .d "k" 1 }}{{ .d }}', values, path="t", surroundings=SURROUNDINGS)

    assert values == {"d": {"k": ["v"]}}
