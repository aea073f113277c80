"""Ignore files leave out what Docker's would; what they mean is checked against a matcher written plainly."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuild.context.fault import ContextError
from rebuild.context.ignore import Rules, Verdict, read_rules
from rebuild.context.ignore_file import ignore_file, parse


def is_ignored(text: str, path: str) -> bool:
    return verdict(Rules(parse(text)), path).ignored


def verdict(rules: Rules, path: str) -> Verdict:
    """On the path by way of every folder above it, as a walk comes by."""
    above = None
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        above = rules.judge("/".join(parts[:count]), above)
    assert above is not None
    return above


# What moby's own matcher (patternmatcher 0.6.1) answered for each of these.
@pytest.mark.parametrize(
    ("text", "path", "ignored"),
    [
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "b/a", False),
        ("/a/", "a/b", True),
        ("./a/../b", "b", True),
        ("*", "a/b", True),
        ("*.md", "a/x.md", False),
        ("*/*.md", "a/x.md", True),
        ("**/*.md", "x.md", True),
        ("**/*.md", "a/b/x.md", True),
        ("**/a", "b/a/c", True),
        ("**a", "ba", True),
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a**c", "ab/c", True),
        ("a**c", "abc", False),
        ("**", "a/b", True),
        ("?", "a", True),
        ("?", "/", False),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        (r"\*", "*", True),
        (r"\*", "a", False),
        ("a.b", "axb", False),
        ("*\n!a", "a", False),
        ("*\n!a", "a/b", False),
        ("*\n!a/b", "a", True),
        ("*\n!a/b", "a/b", False),
        ("a\n!a/b\na/b/c", "a/b/c", True),
        ("!a\na", "a", True),
        ("a\n!a\na", "a", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False),
        ("a\n!**/b", "a/x/b", False),
        ("a/*\n!a/b", "a/b/c", False),
        ("# a\na", "# a", False),
        (" # a", "# a", True),
        ("  a\t", "a", True),
        ("\ufeffa", "a", True),
        ("a\r\nb\r\n", "a", True),
        ("! a\na\n!  a", "a", False),
        ("", "a", False),
        (".", "a", False),
        ("/", "a", False),
        ("..", "a", False),
        ("á?", "áé", True),
    ],
)
def test_a_path_is_left_out_as_docker_leaves_it_out(text: str, path: str, ignored: bool) -> None:
    assert is_ignored(text, path) is ignored


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a{2}*", "a{2}"),
        ("a|b*", "a|bc"),
        ("^a*", "^ab"),
        (r"\a", "a"),
        ("[*]", "*"),
        ("[?]x", "?x"),
        ("[[]", "["),
    ],
)
def test_a_character_without_a_meaning_in_patterns_stands_for_itself(text: str, path: str) -> None:
    assert is_ignored(text, path)
    assert not is_ignored(text, "other")


@pytest.mark.parametrize("text", ["[a", "[]a]", "a\\", "[-x]", "[b-a]", "!", "a/[", "[a-]"])
def test_a_broken_pattern_is_named_with_its_file(text: str, tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text(f"ok\n{text}\n")

    with pytest.raises(ContextError, match=r"\.dockerignore"):
        read_rules(tmp_path, None)


@pytest.mark.parametrize(
    ("patterns", "folder", "may"),
    [
        ("*", "a", False),
        ("*\n!a/b", "a", True),
        ("*\n!a/b", "b", False),
        ("*\n!a", "a/b", True),
        ("*\n!**/x", "a", True),
        ("*\n!a*/x", "b", True),
        ("*\n!x/*/y", "b", False),
    ],
)
def test_a_folder_is_walked_only_if_an_exception_could_bring_something_back(
    patterns: str, folder: str, may: bool
) -> None:
    assert Rules(parse(patterns)).may_except_below(folder) is may


def test_the_dockerfiles_own_ignore_file_goes_first(tmp_path: Path) -> None:
    dockerfile = tmp_path / "docker" / "app.Dockerfile"
    dockerfile.parent.mkdir()
    (tmp_path / ".dockerignore").write_text("a")

    assert ignore_file(tmp_path, dockerfile) == tmp_path / ".dockerignore"
    own = dockerfile.with_name("app.Dockerfile.dockerignore")
    own.write_text("b")
    assert ignore_file(tmp_path, dockerfile) == own
    assert verdict(read_rules(tmp_path, dockerfile), "b").ignored
    assert not verdict(read_rules(tmp_path, dockerfile), "a").ignored


@pytest.mark.parametrize(
    "path", [".git/config", "a/.git", "a/.gitignore", ".venv/bin/python", ".hg", "x/.svn/y"]
)
def test_version_control_and_venv_are_left_out_at_any_depth(path: str, tmp_path: Path) -> None:
    assert verdict(read_rules(tmp_path, None), path).ignored


@pytest.mark.parametrize("rule", ["!.git/**", "!.git", "!.git/config", "!**/.git"])
def test_a_rule_brings_a_default_back(rule: str, tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text(rule)
    rules = read_rules(tmp_path, None)

    assert rules.may_except_below(".git")
    assert not verdict(rules, ".git/config").ignored
    assert verdict(rules, ".hg/store").ignored


def test_a_name_that_is_no_utf_8_is_judged_too() -> None:
    assert is_ignored("*.md", "a\udcff.md")


def test_an_ignore_file_of_a_giant_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_bytes(b"a\n" * 600_000)

    with pytest.raises(ContextError, match="larger than"):
        read_rules(tmp_path, None)


def test_a_pattern_made_to_take_long_does_not() -> None:
    rules = Rules(["**/a" * 30 + "*b" * 30])

    assert not verdict(rules, "a/" * 500 + "c").ignored


# ---- The same, written plainly: one pattern against one path, part by part.


def plainly_matches(pattern: str, path: str) -> bool:
    if pattern in ("", "."):
        return False
    return _parts_match(pattern.split("/"), path.split("/"))


def _parts_match(pattern: list[str], path: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        if len(pattern) == 1:
            return bool(path)
        return any(_parts_match(pattern[1:], path[skipped:]) for skipped in range(len(path) + 1))
    return bool(path) and _part_matches(pattern[0], path[0]) and _parts_match(pattern[1:], path[1:])


def _part_matches(pattern: str, part: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(expression, part, re.DOTALL) is not None


def plainly_ignored(lines: list[str], path: str) -> bool:
    """The last line that matches the path, or a folder above it, decides."""
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    ignored = False
    for line in lines:
        if any(plainly_matches(line.removeprefix("!"), folder) for folder in above):
            ignored = not line.startswith("!")
    return ignored


PART = st.one_of(
    st.just("**"), st.text("ab?*.", min_size=1, max_size=3).filter(lambda part: "**" not in part)
)
PATTERN = st.lists(PART, min_size=1, max_size=3).map("/".join).filter(lambda text: "." not in text.split("/"))
PATTERN = PATTERN.filter(lambda text: ".." not in text.split("/"))
LINES = st.lists(st.tuples(st.sampled_from(["", "", "!"]), PATTERN).map("".join), max_size=5)
PATHS = st.lists(
    st.text("ab.", min_size=1, max_size=3).filter(lambda part: part.strip(".")), min_size=1, max_size=4
)


@settings(deadline=None)
@given(LINES, PATHS.map("/".join))
def test_any_rules_mean_what_is_written(lines: list[str], path: str) -> None:
    # A rule that would change nothing for a folder is not asked about it, in Docker neither: so only rules
    # that do not come after one of the same kind say the same for the folder and for what is in it.
    if any(one[:1] == other[:1] == "!" or "!" not in one[:1] + other[:1] for one, other in pairwise(lines)):
        lines = lines[:1]

    assert is_ignored("\n".join(lines), path) is plainly_ignored(lines, path)


@settings(deadline=None)
@given(st.text(max_size=200), PATHS.map("/".join))
def test_any_text_is_rules_or_is_refused(text: str, path: str) -> None:
    try:
        rules = Rules(parse(text))
    except ContextError:
        return

    assert verdict(rules, path).ignored in (True, False)
