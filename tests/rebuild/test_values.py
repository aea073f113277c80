"""Values from files and from the command line."""

from __future__ import annotations

import pytest

from graph.errors import WrongUse
from rebuild.taskfile import TaskFileError
from rebuild.values import merged_values, parse_assignments, read_values


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("text", "text"),
        ("3", 3),
        ("-3", -3),
        ("0", 0),
        ("022", "022"),
        ("1.5", 1.5),
        ("1.10", "1.10"),
        ("1e3", "1e3"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("on", "on"),
        ("no", "no"),
        ("~", None),
        ("", None),
        ("'3'", "3"),
        ('"true"', "true"),
        ("!!str 3", "3"),
        ("2024-01-01", "2024-01-01"),
        ("99999999999999999999", "99999999999999999999"),
        ("[1, a]", [1, "a"]),
        ("{b: {c: 1}}", {"b": {"c": 1}}),
    ],
)
def test_a_scalar_keeps_its_text_unless_it_would_be_written_just_so_again(scalar: str, value: object) -> None:
    assert read_values(f"a: {scalar}", path="v") == {"a": value}


def test_an_empty_file_has_no_values() -> None:
    assert read_values("# nothing\n", path="v") == {}


@pytest.mark.parametrize("text", ["- a", "text", "a: {", "a: 1\na: 2"])
def test_a_file_that_is_no_map_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(TaskFileError, match=r"^v:\d: "):
        read_values(text, path="v")


def test_an_assignment_is_parted_at_the_first_equals_sign_and_is_text() -> None:
    given = parse_assignments(["a=b=c", "n=1", "empty=", "n=2", "dotted.name=x"], option="--set")

    assert given == {"a": "b=c", "n": "2", "empty": "", "dotted.name": "x"}


@pytest.mark.parametrize("item", ["a", "=b", ""])
def test_an_assignment_without_name_or_value_is_refused(item: str) -> None:
    with pytest.raises(WrongUse, match=r"^--set "):
        parse_assignments([item], option="--set")


def test_a_later_file_counts_more_and_maps_are_merged() -> None:
    merged = merged_values({"a": {"x": 1, "y": 1}, "b": [1]}, {"a": {"y": 2}, "b": [2]}, {"c": 3})

    assert merged == {"a": {"x": 1, "y": 2}, "b": [2], "c": 3}
