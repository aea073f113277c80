"""Aliases: which names there are, what counts, and what is replaced by them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from rebuild.alias_rules import IMAGE_ALIASES
from rebuild.aliases import Aliases, AliasSources, SourceUnavailable, parts, read_aliases, replaced
from rebuild.taskfile import TaskFileError
from rebuild.template import NumberedText, TemplateError

NAMES = Aliases({"a": "ONE", "b": "TWO", "long": "x\n  y"})


def put(text: str, aliases: Aliases = NAMES) -> str:
    return replaced(NumberedText.of(text), aliases, path="t").text


def read(block: str, sources: AliasSources | None = None) -> Aliases:
    read_source = (sources or AliasSources()).read
    return read_aliases(NumberedText.of(block), path="t", images=IMAGE_ALIASES, read_source=read_source)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("$a", "ONE"),
        ("x$a-$b/y", "xONE-TWO/y"),
        ("$a$b", "ONETWO"),
        ("$a1 $ab", "$a1 $ab"),
        ("$c $ ${a}", "$c $ ${a}"),
        ("$$a", "$a"),
        ("$$$a", "$ONE"),
        ("$a$$b", "ONE$b"),
        ("$c$a", "$c$a"),
        ("$c$$a", "$c$ONE"),
        ("$c$a$b", "$c$aTWO"),
        ("$a_b", "ONE_b"),
        ("$aé", "ONEé"),
        ("$", "$"),
        ("$$", "$"),
        ("", ""),
    ],
)
def test_a_name_behind_the_directive_is_replaced_where_it_is_known(written: str, text: str) -> None:
    assert put(written) == text


def test_the_text_of_an_alias_is_not_looked_through_again() -> None:
    assert put("$a", Aliases({"a": "$b", "b": "x"})) == "$b"


@pytest.mark.parametrize("directive", ["^", "😎", "%", "é", "\\"])
def test_the_directive_may_be_any_character_that_is_no_part_of_a_name(directive: str) -> None:
    aliases = Aliases({"a": "ONE"}, directive)

    assert put(f"{directive}a $a {directive}{directive}", aliases) == f"ONE $a {directive}"


def test_lines_behind_a_text_of_several_lines_keep_their_numbers() -> None:
    done = replaced(NumberedText.of("1\n- $long\n3\n"), NAMES, path="t")

    assert list(done.numbered()) == [(1, "1"), (2, "- x"), (2, "  y"), (3, "3")]


def test_a_file_that_aliases_make_too_large_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"^t:1: with its aliases the file has more than"):
        put("$a" * 1000, Aliases({"a": "x" * 10_000}))


@given(st.text(alphabet="$ab\n x", max_size=40))
def test_a_text_without_known_names_loses_only_doubled_directives(text: str) -> None:
    done = put(text, Aliases({}))

    assert done.replace("$", "") == text.replace("$", "")


def test_the_alias_part_ends_at_the_next_key_in_the_first_column() -> None:
    task = "version: v1.1.0\nalias:\n  values:\n    a: |\n      b: c\n\n# no\nsteps:\n  - cmd: $a\n"

    block, rest = parts(NumberedText.of(task))

    assert block.text == "alias:\n  values:\n    a: |\n      b: c\n\n# no\n"
    assert list(rest.numbered()) == [(1, "version: v1.1.0"), (8, "steps:"), (9, "  - cmd: $a")]


def test_the_run_and_the_images_have_names_of_their_own() -> None:
    texts = read("").texts

    assert texts["Registry"] == "{{.Run.Registry}}"
    assert texts["acr"] == "mcr.microsoft.com/acr/acr-cli:0.19"
    assert "TaskName" not in texts


def test_the_file_counts_more_than_its_sources_and_a_later_source_more_than_an_earlier(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.yaml").write_text("a: 1\nb: 1\nc: 1\nID: 1\n")
    (tmp_path / "two.yaml").write_text("a: 2\nb: 2\n")
    block = "alias:\n  src: [one.yaml, two.yaml]\n  values:\n    a: 3\n    number: 022\n    nothing:\n"

    texts = read(block, AliasSources(tmp_path)).texts

    assert [texts[name] for name in ("a", "b", "c", "ID", "number", "nothing")] == [
        "3",
        "2",
        "1",
        "1",
        "022",
        "",
    ]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            "alias:\n  values:\n    a_b: x",
            "t:3: alias name 'a_b' is not valid: a name has letters and digits only",
        ),
        ("alias:\n  values:\n    a: [x]", "t:3: alias a is not a text"),
        ("alias:\n  values: x", "t:2: aliases are a map of names to texts"),
        ("alias:\n  directive: ab", "t:2: directive 'ab' is not one character"),
        ("alias:\n  directive: x", "t:2: directive 'x' is not one character"),
        ("alias:\n  src: one.yaml", "t:2: src is a list of files and URLs"),
        ("alias:\n  vales: {}", "t:2: alias has no property 'vales'"),
        ("alias: x", "t:1: alias is a map of src, values and directive"),
        ("alias:\n  values: {", "t:2: not valid YAML"),
    ],
)
def test_a_wrong_alias_part_is_refused_with_its_line(block: str, message: str) -> None:
    with pytest.raises(TaskFileError) as caught:
        read(block)

    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    "block", ["", "alias:\n", "alias: ~\n", "alias: {}\n", "alias:\n  src:\n  values:\n"]
)
def test_an_empty_alias_part_defines_nothing(block: str) -> None:
    assert read(block) == read("")


def test_a_source_may_be_in_a_folder_below_and_be_reached_by_a_link_inside(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "names.yaml").write_text("a: x\n")
    (tmp_path / "link.yaml").symlink_to("below/names.yaml")

    assert AliasSources(tmp_path).read("below/../link.yaml") == "a: x\n"


@pytest.mark.parametrize("source", ["../secret.yaml", "/etc/hostname", "out.yaml", "out/secret.yaml"])
def test_a_source_outside_of_the_context_is_not_read(tmp_path: Path, source: str) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (tmp_path / "secret.yaml").write_text("a: x\n")
    (context / "out.yaml").symlink_to("../secret.yaml")
    (context / "out").symlink_to("..")

    with pytest.raises(WrongUse, match="is outside of the context"):
        AliasSources(context).read(source)


@pytest.mark.parametrize("source", ["none.yaml", "folder", "pipe", "ring", "\0", "x" * 5000, "binary"])
def test_a_source_that_is_no_readable_file_is_refused_by_name(tmp_path: Path, source: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    with pytest.raises(WrongUse, match="alias source "):
        AliasSources(tmp_path).read(source)


def test_a_source_of_more_than_a_mebibyte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * (1 << 20) + b"\n")

    with pytest.raises(WrongUse, match="more than 1,048,576 bytes"):
        AliasSources(tmp_path).read("large.yaml")


def test_a_url_is_fetched_only_where_somebody_allows_it() -> None:
    with pytest.raises(WrongUse, match="none is fetched here"):
        AliasSources().read("https://example.org/names.yaml")

    assert AliasSources(fetch=lambda url: url.encode()).read("https://h/x") == "https://h/x"


def test_a_url_without_encryption_is_never_fetched() -> None:
    with pytest.raises(WrongUse, match="is not encrypted on its way"):
        AliasSources(fetch=lambda url: b"").read("http://example.org/names.yaml")


def test_a_source_that_cannot_be_had_is_told_with_the_line_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TaskFileError, match=r"^t:3: alias source 'none\.yaml' cannot be read"):
        read("alias:\n  src:\n    - none.yaml\n", AliasSources(tmp_path))


def test_a_fetch_that_fails_is_told_with_the_line_that_names_it() -> None:
    def fetch(url: str) -> bytes:
        raise SourceUnavailable(f"{url} is away", hint="try it again")

    with pytest.raises(SourceUnavailable, match=r"^t:2: https://h/x is away$"):
        read("alias:\n  src: [https://h/x]\n", AliasSources(fetch=fetch))


def test_the_query_of_a_source_is_in_no_message() -> None:
    with pytest.raises(TaskFileError) as caught:
        read("alias:\n  src: ['https://h/x?token=abcdef']\n")

    assert "abcdef" not in caught.value.message


def test_a_file_names_twenty_sources_at_the_most() -> None:
    with pytest.raises(TaskFileError, match="t:2: src has more than 20 sources"):
        read(f"alias:\n  src: [{', '.join('n.yaml' for _ in range(21))}]\n")
