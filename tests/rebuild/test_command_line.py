"""Command lines are split as the POSIX shell splits them; the shell itself and shlex are asked."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuild.command_line import (
    CHARACTERS_MOST,
    Construct,
    NeedsShell,
    TooLong,
    Unclosed,
    Words,
    tokenise,
    unquote,
)

VARIABLES = {"A": "one", "TWO": "two words", "BLANK": " a  b ", "EMPTY": "", "STAR": "*", "QUOTE": "'x y'"}
PIECES = [
    *(
        "a",
        "b c",
        "'",
        '"',
        "\\",
        " ",
        "  ",
        "\t",
        "$A",
        "${TWO}",
        "$BLANK",
        '"$BLANK"',
        "$EMPTY",
        '"$EMPTY"',
    ),
    *(
        "$STAR",
        "$QUOTE",
        "$UNSET",
        "''",
        '""',
        "'$A'",
        '"\\$A"',
        "\\'",
        "=",
        "*",
        "$",
        "$.",
        '"$"',
        "{a,b}",
        "é",
    ),
]


def shell(line: str) -> list[str] | None:
    """The words that sh hands to a program; None where it refuses the line."""
    script = f'set -f; p() {{ for w in "$@"; do printf \'%s\\0\' "$w"; done; }}; p {line}'
    done = subprocess.run(["sh", "-c", script], env=VARIABLES, capture_output=True, check=False)
    return None if done.returncode else done.stdout.decode().split("\0")[:-1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_the_shell_splits_the_same_way(line: str) -> None:
    split = tokenise(line, VARIABLES)

    if isinstance(split, Words):
        assert list(split.words) == shell(line)
    elif isinstance(split, Unclosed) and split.quote != "\\":  # the shell takes one at the very end as itself
        assert shell(line) is None


@given(st.text(st.characters(exclude_characters="|&;<>()$`\n\r\0", exclude_categories=["Cs"]), max_size=30))
def test_shlex_splits_lines_without_variables_the_same_way(line: str) -> None:
    split = tokenise(line, {})

    try:
        expected = shlex.split(line)
    except ValueError:
        assert isinstance(split, Unclosed)
        return
    assert isinstance(split, Words)
    assert list(split.words) == expected


@pytest.mark.parametrize(
    ("line", "construct", "offset"),
    [
        ("echo 'pw' | docker login", Construct.PIPE, 10),
        ("a || b", Construct.OR, 2),
        ("a && b", Construct.AND, 2),
        ("a & b", Construct.BACKGROUND, 2),
        ("a;b", Construct.SEQUENCE, 1),
        ("a > b", Construct.REDIRECTION, 2),
        ("a 2>&1", Construct.REDIRECTION, 3),
        ("a <<x", Construct.REDIRECTION, 2),
        ("(a)", Construct.GROUP, 0),
        ("a\nb", Construct.LINE_END, 1),
        ("a $(b)", Construct.SUBSTITUTION, 2),
        ('a "$(b)"', Construct.SUBSTITUTION, 3),
        ("a `b`", Construct.BACKTICK, 2),
        ('a "`b`"', Construct.BACKTICK, 3),
        ("a ${B:-c}", Construct.EXPANSION, 2),
        ("a $1", Construct.PARAMETER, 2),
        ("a $?", Construct.PARAMETER, 2),
        ("a $$", Construct.PARAMETER, 2),
    ],
)
def test_what_only_a_shell_can_do_is_told_with_its_place(
    line: str, construct: Construct, offset: int
) -> None:
    assert tokenise(line, {}) == NeedsShell(construct, offset)


@pytest.mark.parametrize(
    "line", ["sh -c 'a | b && $(c) > d'", 'sh -c "a | b; c"', "a \\| \\; \\$x", "a \\\n b"]
)
def test_a_quoted_operator_is_text(line: str) -> None:
    assert isinstance(tokenise(line, {}), Words)


def test_a_line_end_after_the_last_word_does_not_matter() -> None:
    assert tokenise("\n a b \n\n", {}) == Words(("a", "b"))


def test_wildcards_tildes_and_comment_signs_stand_for_themselves() -> None:
    assert tokenise("ls *.py ~/x [a] # end", {}) == Words(("ls", "*.py", "~/x", "[a]", "#", "end"))


def test_a_variable_without_a_value_is_told() -> None:
    assert tokenise("a $B \"$C\" '$D'", {}) == Words(("a", "", "$D"), unset=("B", "C"))


def test_a_variable_that_looks_like_an_operator_is_text() -> None:
    assert tokenise("a $P", {"P": "|;$(x)"}) == Words(("a", "|;$(x)"))


@pytest.mark.parametrize(("line", "quote", "offset"), [("a 'b", "'", 2), ('a "b', '"', 2), ("a\\", "\\", 1)])
def test_an_unclosed_quote_is_told_with_its_place(line: str, quote: str, offset: int) -> None:
    assert tokenise(line, {}) == Unclosed(quote, offset)


def test_variables_cannot_blow_a_line_up() -> None:
    assert tokenise("$A" * 100, {"A": "x" * CHARACTERS_MOST}) == TooLong()


def test_a_value_keeps_its_blanks_and_operators_and_loses_its_quotes() -> None:
    assert unquote("'a b' c|d&e $A", {"A": "x  y"}) == Words(("a b c|d&e x  y",))


def test_an_empty_value_is_an_empty_word() -> None:
    assert unquote("", {}) == Words(("",))


@given(st.text(max_size=200))
def test_any_text_is_split_or_refused(text: str) -> None:
    assert isinstance(tokenise(text, VARIABLES), Words | NeedsShell | Unclosed | TooLong)
    assert isinstance(unquote(text, VARIABLES), Words | NeedsShell | Unclosed | TooLong)
