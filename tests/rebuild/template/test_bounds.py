"""No template keeps the machine busy: each of these is refused by count, whatever the machine."""
# ruff: noqa: E501 - tables, a template a line

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rebuild.template import Limits, Surroundings, TemplateError, render

SURROUNDINGS = Surroundings(datetime(2024, 5, 6, tzinfo=UTC), Random(1))
IN_ITSELF = '{{ $d := dict }}{{ $_ := set $d "self" $d }}'
LARGE = '{{ $s := repeat 4000000 "a" }}'

BOMBS = [
    ("steps", "{{ range until 1000000000 }}x{{ end }}"),
    ("steps", "{{ range 9223372036854775807 }}{{ end }}"),
    ("steps", "{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}"),
    ("steps", "{{ untilStep 0 9223372036854775807 1 }}"),
    ("steps", "{{ seq 1 9223372036854775807 }}"),
    ("steps", LARGE + '{{ range until 100000 }}{{ $x := contains "b" $s }}{{ end }}'),
    ("steps", LARGE + "{{ range until 100000 }}{{ $x := sha256sum $s }}{{ end }}"),
    ("steps", LARGE + '{{ range until 100000 }}{{ $x := regexMatch "(a*)*b" $s }}{{ end }}'),
    ("steps", '{{ $s := repeat 2000000 "é" }}{{ range until 1000 }}{{ $x := upper $s }}{{ end }}'),
    ("steps", "{{ uniq (until 100000) }}"),
    ("steps", "{{ $x := list }}{{ range until 50 }}{{ $x = list $x $x }}{{ end }}{{ $x }}"),
    ("steps", '{{ splitList "" (repeat 4000000 "a") }}'),
    ("steps", "{{ toYaml (until 50000) }}"),
    ("steps", "{{ randAlpha 1000000000 }}"),
    ("steps", "{{.a}}" * 100_000),
    ("text", '{{ repeat 1000000000 "x" }}'),
    ("text", '{{ $x := "x" }}{{ range until 100 }}{{ $x = print $x $x }}{{ end }}'),
    ("text", '{{ join (repeat 1000000 "x") (until 1000) }}'),
    ("text", '{{ indent 1000000 (repeat 10000 "\\n") }}'),
    ("text", '{{ replace "" (repeat 100000 "y") (repeat 100000 "x") }}'),
    ("text", '{{ regexReplaceAll "" (repeat 100000 "a") (repeat 100000 "b") }}'),
    ("output", '{{ printf "%1000000d" 1 }}' * 100),
    ("width", '{{ printf "%*d" 99999999 1 }}'),
    ("output", '{{ $s := repeat 1000000 "x" }}{{ range until 10 }}{{ $s }}{{ end }}'),
    ("deep", '{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}'),
    (
        "deep",
        '{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
    ),
    ("deep", "{{" + "(" * 1000 + "1" + ")" * 1000 + "}}"),
    ("deep", "{{ if true }}" * 1000 + "{{ end }}" * 1000),
    ("deep", "{{ $x := list }}{{ range until 1000 }}{{ $x = list $x }}{{ end }}{{ $x }}"),
    ("deep", IN_ITSELF + "{{ $d }}"),
    ("deep", IN_ITSELF + "{{ toJson $d }}"),
    ("deep", IN_ITSELF + "{{ toYaml $d }}"),
    ("deep", IN_ITSELF + "{{ deepCopy $d }}"),
    ("deep", IN_ITSELF + '{{ printf "%d" $d }}'),
    ("deep", IN_ITSELF + '{{ $e := dict }}{{ $_ := set $e "self" $e }}{{ deepEqual $d $e }}'),
    ("deep", IN_ITSELF + '{{ $e := dict }}{{ $_ := set $e "self" $e }}{{ merge $d $e }}'),
    ("not JSON", '{{ fromJson (repeat 100000 "[") }}'),
]


@pytest.mark.parametrize(("what", "template"), BOMBS, ids=[f"{bomb[0]}: {bomb[1][:50]}" for bomb in BOMBS])
def test_a_template_that_asks_for_too_much_is_refused_with_what_there_is_too_much_of(
    what: str, template: str
) -> None:
    with pytest.raises(TemplateError, match=rf"^t:1: .*{what}"):
        render(template, {"a": "v"}, path="t", surroundings=SURROUNDINGS)


def test_a_long_chain_of_conditions_is_not_deep() -> None:
    template = "{{ if false }}" + "{{ else if false }}" * 2000 + "{{ else }}x{{ end }}"

    assert render(template, {}, path="t", surroundings=SURROUNDINGS).text == "x"


def test_the_limits_are_the_callers() -> None:
    with pytest.raises(TemplateError, match="more than 10 steps"):
        render("{{ 1 }}" * 10, {}, path="t", surroundings=SURROUNDINGS, limits=Limits(steps=10))


WORDS = st.sampled_from(
    [
        "{{", "}}", "{{-", "-}}", " ", "\n", "if", "else", "end", "range", "with", "define", "template", "block",
        "break", "continue", ".", ".a", ".a.b", "$", "$x", ":=", "=", "|", "(", ")", ",", '"s"', "`r`", "'c'", "1",
        "-2.5", "0x1F", "nil", "true", "print", "printf", '"%v%d%q"', "len", "index", "eq", "lt", "and", "or", "not",
        "list", "dict", "default", "until", "repeat", "split", "toJson", "fromJson", "toYaml", "regexFind", "date",
        "now", "semver", "join", "sortAlpha", "set", "slice", "substr", "wrap", "indent", "round", "/*", "*/", "é",
    ]
)  # fmt: skip
ATTEMPTS = st.one_of(
    st.text(max_size=60),
    st.lists(WORDS, max_size=30).map("".join),
    st.lists(WORDS, max_size=30).map(" ".join),
    st.lists(WORDS, max_size=12).map(lambda words: "{{ " + " ".join(words) + " }}"),
)


@given(
    ATTEMPTS,
    st.dictionaries(st.sampled_from(["a", "b"]), st.text() | st.integers() | st.floats() | st.none()),
)
@example("{{ .a", {})
@example('{{ "\\xff" | printf "%q" }}', {})
@example('{{ index "é" 0 }}{{ trunc 1 "é" }}', {})
@example("{{ .a }}", {"a": "\ud800"})
@example("\ud800{{ `\udfff` }}", {})
def test_any_text_is_rendered_or_refused_in_few_steps(template: str, values: dict[str, object]) -> None:
    try:
        done = render(template, values, path="t", surroundings=SURROUNDINGS, limits=Limits(steps=20_000))
    except TemplateError as error:
        assert error.message.startswith("t:")
    else:
        done.text.encode()  # whole characters only
        assert len(done.lines) == len(done.text.removesuffix("\n").split("\n")) or not done.text
