"""Rows and sentences in the columns of a terminal."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.cli.table import Row, lay_out, paragraph, visible

NAMES = st.text("abc/:", min_size=1, max_size=60)
ROWS = st.lists(
    st.builds(lambda name, fact: Row(name, (fact, "x")), NAMES, st.text("de", max_size=9)), min_size=1
)


@given(ROWS)
def test_every_last_fact_stands_in_the_same_column(rows: list[Row]) -> None:
    lines = [line for line in lay_out(rows, 80) if line.endswith(" x")]

    assert len({len(line) for line in lines}) == 1
    assert len(lines) == len(rows)


@given(ROWS)
def test_no_line_is_wider_than_the_terminal(rows: list[Row]) -> None:
    assert all(len(line) <= 80 for line in lay_out(rows, 80))


def test_colours_take_no_room() -> None:
    plain = list(lay_out([Row("a", ("fresh", "x")), Row("b", ("stale", "x"))], 80))
    coloured = list(
        lay_out([Row("a", (click.style("fresh", fg="green"), "x")), Row("b", ("stale", "x"))], 80)
    )

    assert [click.unstyle(line) for line in coloured] == plain


def test_a_name_that_is_too_long_has_its_facts_below() -> None:
    lines = list(lay_out([Row("n" * 70, ("1", "2345678901"), "│"), Row("short", ("1", "2"))], 80))

    assert lines[0] == "n" * 70
    assert lines[1].split() == ["│", "1", "2345678901"]
    assert lines[1].index("1") == lines[2].index("1")


def test_notes_stand_below_their_row() -> None:
    assert list(lay_out([Row("a", ("1",), notes=("note",))], 80)) == ["a  1", "note"]


@given(st.lists(st.text("ab", min_size=1, max_size=30), min_size=1))
def test_a_paragraph_keeps_every_word_and_fits(words: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "40")
        lines = paragraph(" ".join(words), "  ").splitlines()

    assert " ".join(lines).split() == words
    assert all(len(line) <= 40 for line in lines)


def test_a_paragraph_is_broken_where_it_would_be_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = "one two three four five six seven eight nine ten"

    coloured = paragraph(text.replace("two", click.style("two", fg="red")))

    assert click.unstyle(coloured) == paragraph(text)
    assert visible(coloured.splitlines()[0]) <= 40
