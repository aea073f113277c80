"""Which tags a rule means, and which of them is the newest."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graph.errors import WrongUse
from graph.follow_rule import FollowRule, Kind, parse_rules, rule_for
from graph.reference import ImageRef
from graph.version import Version
from tests.graph.world import digest_of

_LISTED = """
2.7 3 3.11 3.12 3.12.6 3.12.7 3.12.7-slim 3.12.10 3.12.10-slim 3.12.11rc1
3.13 3.13.0 3.13.0rc1 3.13.1 3.13.1-slim latest slim bookworm
"""
PYTHON = tuple(_LISTED.split())

numbers = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
tags = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "v"]),
        numbers,
        st.sampled_from(["", "rc1", "-rc.2", "-alpha", "b3", "-SNAPSHOT"]),
        st.sampled_from(["", "-alpine", "-slim", "_1", "-a1b2c3"]),
    ),
) | st.sampled_from(["latest", "jammy-20240101", "jammy-20240427.1", "noble", "x", "nightly"])
patterns = st.sampled_from(
    ["3.*", "3.12.*", "*", "^1.2", "~1.2", ">=1,<20", ">=2.0.0-rc1", "*-alpine", "3.*-slim", "!=3.1 >=3",
     "jammy-*", "*-2024*", "/v?[0-9.]+/", "/.*/"]
)  # fmt: skip


def newest(pattern: str, written: str, *, used: tuple[str, ...] = ()) -> str:
    return FollowRule.parse(f"python:{pattern}").newest(written, PYTHON, used=used)


@pytest.mark.parametrize(
    ("pattern", "written", "expected"),
    [
        ("3.12.*", "3.12.6", "3.12.10"),
        ("3.12.x", "3.12.6", "3.12.10"),
        ("~3.12.6", "3.12.6", "3.12.10"),
        (">=3.12,<3.13", "3.12.6", "3.12.10"),
        (">=3.12.0 <3.13", "3.12.6", "3.12.10"),
        ("^3.12.0", "3.12.6", "3.13.1"),
        ("<=3.12", "3.12.6", "3.12.10"),
        (">=3.12,!=3.12.10,<3.13", "3.12.6", "3.12.7"),
        ("3.12.*-slim", "latest", "3.12.10-slim"),
    ],
)
def test_of_a_range_the_highest_version_is_the_newest(pattern: str, written: str, expected: str) -> None:
    assert newest(pattern, written) == expected


def test_what_stands_behind_the_version_stays_as_it_is() -> None:
    assert newest("3.12.*", "3.12.6-slim") == "3.12.10-slim"


def test_a_version_keeps_the_count_of_its_numbers() -> None:
    assert newest("3.*", "3.11") == "3.13"


def test_a_version_with_fewer_numbers_than_the_pattern_gets_as_many_as_that() -> None:
    assert newest("3.12.*", "3.12") == "3.12.10"


def test_pre_releases_count_only_where_the_pattern_names_one() -> None:
    rule, listed = "python:{}", ["3.13.0rc1", "3.13.0rc2"]

    assert FollowRule.parse(rule.format("^3.12.0")).newest("3.12.1", listed) == "3.12.1"
    assert FollowRule.parse(rule.format(">=3.12.0-rc1")).newest("3.12.1", listed) == "3.13.0rc2"


def test_the_pre_releases_of_an_excluded_version_are_excluded_with_it() -> None:
    rule = FollowRule.parse("python:>=3.12.0-rc1,<3.13")

    assert rule.newest("3.12.1", ["3.13.0rc1"]) == "3.12.1"


def test_a_glob_goes_by_its_numbers() -> None:
    rule = FollowRule.parse("ubuntu:jammy-*")

    assert rule.newest("jammy-9", ["jammy-10", "jammy-8", "noble-11", "jammy-old-99"]) == "jammy-10"


def test_a_regular_expression_is_of_the_whole_tag() -> None:
    rule = FollowRule.parse("app:/build-[0-9]+/")

    assert rule.newest("build-1", ["build-2", "build-30-debug", "rebuild-40"]) == "build-2"


def test_a_pattern_of_the_worst_kind_takes_no_longer() -> None:
    rule = FollowRule.parse("app:/(a*)*(a*)*(a|aa)+b/")

    assert rule.newest("latest", ["a" * 128] * 50) == "latest"


@pytest.mark.parametrize("kept", [f"9{'a' * 63}", "cache_web_build"])
def test_layers_that_builds_keep_beside_images_are_no_newer_ones(kept: str) -> None:
    rule = FollowRule.parse("r.io/web:*")

    assert rule.newest("latest", ["7", kept]) == "7"


def test_what_was_used_stays_although_the_registry_lists_it_no_more() -> None:
    assert newest("3.12.*", "3.12.6", used=("3.12.15",)) == "3.12.15"


def test_what_was_used_by_another_rule_does_not_count() -> None:
    assert newest("3.12.*", "3.12.6", used=("3.13.1",)) == "3.12.10"


@pytest.mark.parametrize(
    "written", ["python", "python:3", "python:3.12", "python:3.12-slim", "python:3.12.6"]
)
def test_a_rule_speaks_of_the_names_that_its_tags_could_have(written: str) -> None:
    assert FollowRule.parse("python:3.12.*").speaks_of(ImageRef.parse(written))


@pytest.mark.parametrize(
    "written",
    ["python:3.13", "python:2.7", "python:slim", "other:3.12", "ghcr.io/library/python:3.12",
     f"python:3.12@{digest_of('x')}", f"python@{digest_of('x')}", "python:3.12.0rc1"],
)  # fmt: skip
def test_a_rule_leaves_all_other_names_alone(written: str) -> None:
    assert not FollowRule.parse("python:3.12.*").speaks_of(ImageRef.parse(written))


def test_of_several_rules_the_first_that_speaks_of_a_name_counts() -> None:
    rules = parse_rules(["python:3.12.*", "python:3.*", "python:3.12.*"])

    assert [str(rule_for(rules, ImageRef.parse(name))) for name in ("python:3.12", "python:3.11")] == [
        "docker.io/library/python:3.12.*",
        "docker.io/library/python:3.*",
    ]


@pytest.mark.parametrize(
    ("text", "kind", "repository"),
    [
        ("python:^3.12", Kind.RANGE, "docker.io/library/python"),
        ("localhost:5000/a/b:*-alpine", Kind.RANGE, "localhost:5000/a/b"),
        ("localhost:5000/a/b:/(?:x|y)-1/", Kind.REGEX, "localhost:5000/a/b"),
        ("ghcr.io/a/b:build-*", Kind.GLOB, "ghcr.io/a/b"),
    ],
)
def test_a_rule_is_read_as_it_is_written(text: str, kind: Kind, repository: str) -> None:
    rule = FollowRule.parse(text)

    assert (rule.kind, rule.repository) == (kind, repository)


@pytest.mark.parametrize(
    "text",
    ["", "python", "python:", "python:3.12", "python:=3.12", "localhost:5000/x", "PYTHON:3.*", "x:/(/",
     "x:/a(?=b)/", "x:>1,y", "x:!=1", "x:^3.*", "x:" + "*" * 300, "x:3.*-a,4.*-b", "x:a b*", "://:*"],
)  # fmt: skip
def test_a_rule_that_is_none_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(WrongUse) as refused:
        FollowRule.parse(text)

    assert refused.value.hint


def test_a_task_has_a_bounded_number_of_rules() -> None:
    with pytest.raises(WrongUse, match="more than 50"):
        parse_rules(f"python:{number}.*" for number in range(51))


@given(patterns, tags, st.lists(tags, max_size=12), st.lists(tags, max_size=2))
@example("*", "1.2", ["1.2.0", "v1.2", "1.2-alpine"], [])
def test_what_is_picked_was_written_or_fits_the_rule(
    pattern: str, written: str, listed: list[str], used: list[str]
) -> None:
    rule = FollowRule.parse(f"app:{pattern}")

    picked = rule.newest(written, listed, used=used)

    reference = ImageRef("docker.io", "library/app", picked)
    assert picked == written or (picked in (*listed, *used) and rule.speaks_of(reference))


@given(patterns, tags, st.lists(tags, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_a_list_and_a_second_look_change_nothing(
    pattern: str, written: str, listed: list[str], random: object
) -> None:
    rule = FollowRule.parse(f"app:{pattern}")

    picked = rule.newest(written, listed)

    assert rule.newest(written, sorted(listed, reverse=True)) == picked
    assert rule.newest(written, listed, used=[picked]) == picked
    assert rule.newest(written, [], used=[picked]) == picked


@given(tags, tags, tags)
def test_versions_have_one_order(first: str, second: str, third: str) -> None:
    read = [version for tag in (first, second, third) if (version := Version.read(tag)) is not None]

    ordered = sorted(read, key=lambda version: version.order)

    pairs = [(a.order, b.order) for place, a in enumerate(ordered) for b in ordered[place:]]
    assert all(a <= b for a, b in pairs)
    assert all((a == b) == (not a < b and not b < a) for a, b in pairs)


def test_versions_compare_as_people_expect() -> None:
    tags = ["1.2.dev1", "1.2-alpha", "1.2a2", "1.2-beta.1", "1.2rc1", "1.2-rc.2", "1.2", "1.2.1", "1.10", "2"]
    versions = [Version.read(tag) for tag in tags]

    orders = [version.order for version in versions if version is not None]

    assert orders == sorted(orders)
    assert len(orders) == len(tags)


@pytest.mark.parametrize("tag", ["latest", "bookworm", "jammy-1", "", "1..2", "-1", "1.2.3 "])
def test_a_tag_without_leading_numbers_is_no_version(tag: str) -> None:
    assert Version.read(tag) is None
