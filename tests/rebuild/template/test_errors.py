"""A template is refused with its file and line, the rule, and where there is one the way out."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from rebuild.template import NumberedText, Surroundings, TemplateError, render
from rebuild.template.functions.table import FUNCTIONS

SURROUNDINGS = Surroundings(datetime(2024, 5, 6, tzinfo=UTC), Random(1))
VALUES = {"name": "topsecretname", "port": 8080, "list": [1, 2], "map": {"k": "v"}}

ERRORS = [
    ("a\n{{ .name | uper }}", "2: function 'uper' is not defined"),
    ("{{ env `HOME` }}", "1: function 'env' is left out, because it reads the environment of this machine"),
    (
        "{{ genPrivateKey `rsa` }}",
        "1: function 'genPrivateKey' is left out, because it makes keys or passwords",
    ),
    ("\n\n{{ .map.x.y }}", "3: .map.x has no value, so .y cannot be looked up in it"),
    ("{{ .name.x }}", "1: .x is looked up in a string, which has no fields"),
    ("{{ upper .missing }}", "1: upper: argument 1 has no value, and must be string"),
    ("{{ upper .port }}", "1: upper: argument 1 must be string, not int"),
    ("{{ until .name }}", "1: until: argument 1 must be int, not string"),
    ("{{ trunc 5 }}", "1: trunc takes 2 arguments, not 1"),
    ("{{ index .list 7 }}", "1: position 7 is out of range"),
    ("{{ eq .port .name }}", "1: eq: int and string cannot be compared"),
    ("{{ div 1 0 }}", "1: div: division by zero"),
    ("{{ if .name }}\nx", "1: {{if}} is not closed"),
    ("x\n{{ end }}", "2: unexpected {{end}}"),
    ("x\n\n{{ .name", "3: an action is not closed"),
    ("{{ .name \n: x }}", "2: unexpected ':' in an action that begins in line 1"),
    ('{{ "abc }}', "1: a quoted string is not closed"),
    ("{{ (len .list }}", "1: a parenthesis is not closed"),
    ("{{/* no end", "1: a comment is not closed"),
    ("{{ $x }}", "1: variable $x is not defined"),
    ("{{ template `other` }}", "1: template 'other' is not defined"),
    ("{{ break }}", "1: {{break}} is not inside of a range"),
    ("{{ semver `one` }}", "1: this is no semantic version"),
    ("{{ regexFind `(?=x)` .name }}", "1: this is no regular expression of RE2"),
    ("{{ fail `registry is missing` }}", "1: registry is missing"),
    ("{{ .name\x00 }}", "1: unexpected '\\x00' behind '.name'"),
]


@pytest.mark.parametrize(("template", "message"), ERRORS)
def test_an_error_names_the_line_and_the_rule(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(template, VALUES, path="tasks/build.yaml", surroundings=SURROUNDINGS)

    assert caught.value.message == f"tasks/build.yaml:{message}"
    assert "topsecretname" not in f"{caught.value.message}{caught.value.hint}"


def test_a_value_that_may_be_missing_gets_a_hint_that_says_how_to_write_it() -> None:
    with pytest.raises(TemplateError) as caught:
        render("{{ .map.x.y }}", VALUES, path="t", surroundings=SURROUNDINGS)

    assert caught.value.hint == "write (.map.x).y where it may be missing"
    assert render("{{ (.map.x).y }}", VALUES, path="t", surroundings=SURROUNDINGS).text == ""


def test_an_object_of_the_program_cannot_get_into_a_template() -> None:
    with pytest.raises(TemplateError, match="a value of type Random has no meaning in a template"):
        render("{{ .r }}", {"r": Random(1)}, path="t", surroundings=SURROUNDINGS)


@pytest.mark.parametrize("name", ["__class__", "append", "keys", "items"])
@pytest.mark.parametrize("value", ["text", 5, [1], {"a": 1}])
def test_no_attribute_of_a_value_can_be_reached(name: str, value: object) -> None:
    template = f"{{{{ .v.{name} }}}}"

    if isinstance(value, dict):
        assert render(template, {"v": value}, path="t", surroundings=SURROUNDINGS).text == ""
    else:
        with pytest.raises(TemplateError, match="which has no fields"):
            render(template, {"v": value}, path="t", surroundings=SURROUNDINGS)


def test_no_function_of_the_language_looks_outside() -> None:
    assert not {"env", "expandenv", "getHostByName", "genPrivateKey", "htpasswd"} & FUNCTIONS.keys()


def test_each_line_of_the_text_knows_the_line_that_wrote_it() -> None:
    template = "a\n{{- range .list }}\n  - {{ . }}\n{{- end }}\nb\n{{ printf `x\ny` }}\nc\n"

    done = render(template, VALUES, path="t", surroundings=SURROUNDINGS)

    assert list(done.numbered()) == [
        (1, "a"),
        (3, "  - 1"),
        (3, "  - 2"),
        (5, "b"),
        (6, "x"),
        (6, "y"),
        (8, "c"),
    ]


def test_lines_count_in_the_file_that_the_template_was_cut_from() -> None:
    part = NumberedText.of_lines([(10, "x"), (12, "{{ nope }}")])

    with pytest.raises(TemplateError, match=r"^t:12: "):
        render(part, {}, path="t", surroundings=SURROUNDINGS)


def test_what_was_rendered_is_in_no_representation() -> None:
    done = render("{{ .name }}", VALUES, path="t", surroundings=SURROUNDINGS)

    assert "topsecretname" not in repr(done)
