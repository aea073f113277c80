"""Functions whose result Go cannot be asked for: by the time, by chance, and those that only Helm has."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest

from rebuild.template import Surroundings, TemplateError, render

NOW = datetime(2024, 2, 29, 13, 4, 5, 67_000, tzinfo=UTC)


def rendered(template: str, *, seed: int = 1, **values: object) -> str:
    return render(template, values, path="t", surroundings=Surroundings(NOW, Random(seed))).text


CASES = [
    ('{{ now | date "2006-01-02T15:04:05.000Z07:00" }}', "2024-02-29T13:04:05.067Z"),
    ('{{ now | dateModify "-24h" | htmlDate }}', "2024-02-28"),
    ('{{ date_modify "90m" now | date "3:04PM" }}', "2:34PM"),
    ('{{ dateModify "soon" now | htmlDate }}', "2024-02-29"),
    ('{{ date_in_zone "15:04 MST" now "Europe/Berlin" }}', "14:04 CET"),
    ('{{ dateInZone "15:04" now "../../etc/passwd" }}', "13:04"),
    ("{{ ago 1709208245 }}", "1h0m0s"),
    ("{{ now }}", "2024-02-29 13:04:05.067 +0000 UTC"),
    ("{{ (now).Year }}-{{ (now).Unix }}", "2024-1709211845"),
    ("{{ now | unixEpoch }}", "1709211845"),
    ("{{ date `002` `no date means now` }}", "060"),
    ('{{ (fromJson `{"a": [1, 2.5, "x", null]}`).a }}', "[1 2.5 x <nil>]"),
    ('{{ toYaml (dict "b" (list 1 "2" true) "a" (dict "k" "v")) }}', "a:\n  k: v\nb:\n- 1\n- '2'\n- true"),
    ("{{ seq 3 }}|{{ seq 2 4 }}|{{ seq 1 2 6 }}|{{ seq 3 1 }}", "1 2 3|2 3 4|1 3 5|3 2 1"),
    ('{{ get (dict "a" 1) "a" }}{{ get (dict "a" 1) "b" }}', "1"),
    ('{{ keys (dict "b" 1 "a" 2) }}{{ values (dict "b" 1 "a" 2) }}', "[a b][2 1]"),
    ('{{ slice "hello" 1 3 }}', "el"),
    ('{{ typeIs "int64" (add 1 2) }}{{ kindIs "int" (add 1 2) }}', "truetrue"),
    ('{{ (semver "v1.2.3-rc.1").Prerelease }}', "rc.1"),
    ("{{ camelcase `_` }}", "__"),
]


@pytest.mark.parametrize(("template", "text"), CASES)
def test_a_function_gives(template: str, text: str) -> None:
    assert rendered(template) == text


def test_chance_is_the_callers() -> None:
    template = (
        "{{ randAlphaNum 20 }} {{ randNumeric 5 }} {{ randAscii 5 }} {{ uuidv4 }} {{ shuffle `abcdef` }}"
    )

    assert rendered(template, seed=7) == rendered(template, seed=7)
    assert rendered(template, seed=7) != rendered(template, seed=8)


def test_a_uuid_is_of_version_four() -> None:
    assert UUID(rendered("{{ uuidv4 }}")).version == 4


def test_a_regular_expression_that_others_choke_on_is_answered() -> None:
    assert rendered('{{ regexMatch "^(a+)+$" .text }}', text="a" * 5000 + "!") == "false"


def test_half_a_character_is_shown_as_one_that_cannot_be_read_and_two_halves_as_one() -> None:
    template = '{{ $s := "é" }}{{ slice $s 0 1 }}|{{ print (slice $s 0 1) (slice $s 1 2) }}'

    assert rendered(template) == "\ufffd|é"


def test_bytes_that_are_no_text_survive_a_round_trip() -> None:
    assert rendered('{{ b64enc (b64dec "/wD+") }}') == "/wD+"


def test_a_missing_value_is_nothing_in_base_64() -> None:
    assert rendered("[{{ .missing | b64enc }}]") == "[]"


def test_the_words_for_no_value_never_reach_the_text() -> None:
    assert rendered("[{{ .missing }}]{{ `<no value>` }}") == "[]"


def test_a_pattern_of_more_than_a_thousand_bytes_is_refused() -> None:
    with pytest.raises(TemplateError, match="longer than 1,000 bytes"):
        rendered("{{ regexMatch .p `x` }}", p="a" * 1001)
