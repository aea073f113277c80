"""Words with variables, quotes and escapes, as BuildKit's shell lexer reads them."""

from __future__ import annotations

import pytest

from graph.dockerfile.budget import Budget, Unreadable
from graph.dockerfile.lex import Reading, expand

VARIABLES = {"V": "abc.def.ghi", "E": "", "N": "7", "P": "a*", "L": "x"}

WORDS = {
    "$V": "abc.def.ghi",
    "${N}": "7",
    "a${N}b": "a7b",
    "$N.1": "7.1",
    "$Nx": "",  # the name is Nx
    "$1a": "a",
    "$": "$",
    "$.": "$.",
    "$$N": "N",  # $$ is a parameter that is never set
    "${E:-w}": "w",
    "${E-w}": "",
    "${U-w}": "w",
    "${U:-w}": "w",
    "${U:-}": "",
    "${N:-w}": "7",
    "${E:+w}": "",
    "${E+w}": "w",
    "${N:+w}": "w",
    "${U+w}": "",
    "${N:?w}": "7",
    "${E?w}": "",
    "${U:-$N}": "7",
    "${U:-${E:-deep}}": "deep",
    "${U:-'$N'}": "$N",
    '${U:-"$N }"}': "7 }",
    "${U:-a\\}b}": "a}b",
    "${V#*.}": "def.ghi",
    "${V##*.}": "ghi",
    "${V%.*}": "abc.def",
    "${V%%.*}": "abc",
    "${V#abc}": ".def.ghi",
    "${V#x}": "abc.def.ghi",
    "${V#???.}": "def.ghi",
    "${V%%?}": "abc.def.gh",
    "${V#*}": "abc.def.ghi",
    "${V##*}": "",
    "${V##$P}": "",
    "${V#\\*}": "abc.def.ghi",
    "${V##*e*.}": "ghi",
    "${V%*g*}": "abc.def.",
    "${U#*}": "",
    "${V/./-}": "abc-def.ghi",
    "${V//./-}": "abc-def-ghi",
    "${V/a*f/z}": "z.ghi",
    "${V/x/z}": "abc.def.ghi",
    "${V//[a]/z}": "abc.def.ghi",
    "${V//./\\/}": "abc\\/def\\/ghi",
    "${V//*/z}": "z",
    "${L///-}": "-x-",
    "${L//?/$N}": "7",
    "${V/b\\/c/z}": "abc.def.ghi",
    "'$N'": "$N",
    '"$N"': "7",
    '"a\\"b"': 'a"b',
    '"a\\$N"': "a$N",
    '"a\\b"': "a\\b",
    '"a\'b"': "a'b",
    "a\\$N": "a$N",
    "a\\": "a",
    "a'b'\"c\"d": "abcd",
    "é$N": "é7",
    "\ufeffa": "a",
}

REFUSED = [
    "${", "${}", "${:-a}", "${{V}}", "${V", "${V^}", "${V:x}", "${V:#a}", "${V:%a}", "${V:/a/b}", "${U?}",
    "${E:?}", "${V:-", "${V/a}", "${V/a/b", "'a", '"a', "${U:-'}", "${V#a\\b}", "${-x}", "${V,,}",
    "${N:-${}}",
]  # fmt: skip


@pytest.mark.parametrize(("word", "expanded"), WORDS.items())
def test_a_word_expands(word: str, expanded: str) -> None:
    assert read(word) == expanded


@pytest.mark.parametrize("word", REFUSED)
def test_a_word_is_refused(word: str) -> None:
    with pytest.raises(Unreadable):
        read(word)


def test_the_files_own_escape_counts() -> None:
    assert read("a`$N\\b", escape="`") == "a$N\\b"


def test_a_required_variable_says_what_the_file_says() -> None:
    with pytest.raises(Unreadable, match="U: give a version"):
        read("${U:?give a version}")


def test_variables_that_grow_without_end_are_stopped() -> None:
    variables = {"A": "x" * 1000}

    with pytest.raises(Unreadable, match="more than 100,000 characters"):
        expand("$A" * 101, variables, Reading("\\", Budget(100_000)))


def test_a_pattern_of_many_stars_is_stopped() -> None:
    with pytest.raises(Unreadable, match="expand to more than"):
        expand("${A##" + "*a" * 500 + "b}", {"A": "a" * 5000}, Reading("\\", Budget(1_000_000)))


def test_braces_nest_fifty_deep_and_no_deeper() -> None:
    assert read("${U:-" * 49 + "w" + "}" * 49) == "w"
    with pytest.raises(Unreadable, match="nested"):
        read("${U:-" * 50 + "w" + "}" * 50)


def read(word: str, *, escape: str = "\\") -> str:
    return expand(word, VARIABLES, Reading(escape, Budget(1_000_000)))
