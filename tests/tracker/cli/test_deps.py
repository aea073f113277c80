"""What an image stands on and what stands on it, as a person and as a program reads it."""

from __future__ import annotations

from pathlib import Path

import click

from tests.graph_samples import AMD64, HOST, LONG, Sample, digest_of, index_of, single, with_moved_debian
from tests.tracker.cli.conftest import Tracker


def test_the_tree_has_role_digest_age_and_state_down_to_the_root(sample: Sample, tracker: Tracker) -> None:
    above = digest_of(f"{HOST}/img-b:1 built 71 hours ago").short
    below = digest_of(f"{HOST}/base:1 built 72 hours ago").short
    root = index_of(amd64="debian", arm64="debian on arm").digest.short

    answer = tracker("deps", "img-b:1")

    assert answer.status == 0
    assert answer.lines[0].split() == ["IMAGE", "ROLE", "DIGEST", "AGE", "STATE"]
    assert [line.split() for line in answer.lines[1:]] == [
        [f"{HOST}/img-b:1", above, "2d", "fresh"],
        ["└─", f"{HOST}/base:1", "runtime", below, "3d", "fresh"],
        ["└─", "debian:12", "runtime", root, "-", "fresh"],
    ]


def test_a_base_that_moved_is_stale_and_says_where_to_and_when(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    lines = tracker("deps", "base:1").lines

    now = index_of(amd64="debian, mended", arm64="debian on arm").digest.short
    assert lines[2].split()[-1] == "stale"
    assert lines[3].strip() == f"moved to {now} 5 hours ago"
    assert "1 base here has moved" in lines[-1]


def test_a_base_that_moved_counts_once_wherever_it_stands(sample: Sample, tracker: Tracker) -> None:
    sample.build(f"{HOST}/top:1", f"{HOST}/img-b:1", "debian:12", hours=60)
    with_moved_debian(sample)

    assert "1 base here has moved" in tracker("deps", "top:1").lines[-1]


def test_a_base_without_an_observation_is_unknown_and_null(sample: Sample, tracker: Tracker) -> None:
    sample.sql.execute("UPDATE observations SET digest_id = NULL, changed_at = NULL")

    assert tracker("deps", "base:1").lines[2].split()[-1] == "unknown"
    assert tracker("deps", "base:1", "--json").json["fresh"] is None


def test_what_was_unfolded_before_is_not_unfolded_again(sample: Sample, tracker: Tracker) -> None:
    lines = tracker("deps", "img-d:1").lines

    assert sum("debian:12" in line for line in lines) == 1
    assert sum(line.endswith("… as above") for line in lines) == 1


def test_the_json_tree_is_whole_and_has_exactly_the_documented_keys(sample: Sample, tracker: Tracker) -> None:
    tree = tracker("deps", "img-d:1", "--json").json

    assert list(tree) == ["reference", "digest", "built_at", "step", "fresh", "bases"]
    assert list(tree["bases"][0]) == [
        "reference",
        "role",
        "via",
        "stage",
        "line",
        "recorded_digest",
        "recorded_platform_digests",
        "observed_digest",
        "fresh",
        "following",
        "pinned_tag",
        "bases",
    ]
    below = [base["bases"][0]["bases"][0]["reference"] for base in tree["bases"]]
    assert below == ["docker.io/library/debian:12"] * 2


def test_the_json_tree_tells_recorded_from_observed(sample: Sample, tracker: Tracker) -> None:
    with_moved_debian(sample)

    tree = tracker("deps", "base:1", "--json").json

    (base,) = tree["bases"]
    assert tree["fresh"] is base["fresh"] is False
    assert base["recorded_platform_digests"] == {"linux/amd64": str(digest_of("debian"))}
    assert base["recorded_digest"] == str(index_of(amd64="debian", arm64="debian on arm").digest)
    assert base["observed_digest"] == str(index_of(amd64="debian, mended", arm64="debian on arm").digest)


def test_a_change_for_a_foreign_platform_leaves_an_image_fresh(sample: Sample, tracker: Tracker) -> None:
    sample.observe("debian:12", index_of(amd64="debian", arm64="another"), hours=5)

    assert tracker("deps", "base:1", "--json").json["fresh"] is True


def test_a_long_name_has_its_facts_on_the_next_line(sample: Sample, tracker: Tracker) -> None:
    lines = tracker("deps", "some-long-image-name:2026.11.23-build4").lines

    assert lines[1] == LONG
    assert lines[2].startswith("│ ") and lines[2].endswith("fresh")
    assert all(len(line) <= 80 for line in lines)


def test_a_name_that_does_not_fit_goes_without_its_registry(sample: Sample, tracker: Tracker) -> None:
    sample.build(f"{HOST}/top:1", LONG.replace("some-", ""), hours=1)

    assert "└─ …/team/long-image-name:2026.11.23-build4  " in tracker("deps", "top:1").out


def test_a_registry_is_not_left_out_where_two_have_the_same_name(sample: Sample, tracker: Tracker) -> None:
    one, other = LONG.replace("some-", ""), LONG.replace("some-", "").replace(HOST, "other.example.com:5000")
    sample.build(f"{HOST}/top:1", one, other, hours=1)

    lines = tracker("deps", "top:1").lines

    assert f"├─ {one}" in lines
    assert f"└─ {other}" in lines


def test_columns_stand_below_each_other(sample: Sample, tracker: Tracker) -> None:
    lines = [line for line in tracker("deps", "img-d:1").lines if line.endswith("fresh")]

    assert len({line.index("fresh") for line in lines}) == 1


def test_depth_says_how_much_it_left_out(sample: Sample, tracker: Tracker) -> None:
    lines = tracker("deps", "img-d:1", "--depth", "1").lines

    assert [line.strip("│ ") for line in lines if "more" in line] == ["└─ … 1 base more"] * 2


def test_depth_and_json_exclude_each_other(sample: Sample, tracker: Tracker) -> None:
    answer = tracker("deps", "img-d:1", "--depth", "1", "--json")

    assert (answer.status, answer.out) == (2, "")


def test_a_circle_ends_with_the_way_to_see_more(sample: Sample, tracker: Tracker) -> None:
    sample.build(f"{HOST}/base:1", f"{HOST}/img-d:1", hours=1)

    answer = tracker("deps", "base:1")

    assert answer.status == 0
    assert answer.lines[3].endswith(f"… more: tracker deps {HOST}/img-d:1")


def test_an_external_base_says_why_it_has_no_bases(sample: Sample, tracker: Tracker) -> None:
    assert "known only as a base of others" in tracker("deps", "debian:12").out


def test_a_digest_in_a_name_is_cut_for_people_only(sample: Sample, tracker: Tracker) -> None:
    pinned = digest_of("alpine")

    assert f"alpine:3.20@sha256:{pinned.short}…" in tracker("deps", LONG).out
    references = [base["reference"] for base in tracker("deps", LONG, "--json").json["bases"]]
    assert f"docker.io/library/alpine:3.20@{pinned}" in references


def test_an_unknown_image_is_an_error_that_names_those_like_it(sample: Sample, tracker: Tracker) -> None:
    answer = tracker("deps", "some-long")

    assert (answer.status, answer.out) == (1, "")
    assert answer.err == (
        f"error: no image docker.io/library/some-long:latest has been recorded\nhint: perhaps {LONG}\n"
    )


def test_an_ambiguous_name_is_an_error_that_names_the_candidates(sample: Sample, tracker: Tracker) -> None:
    sample.build("other.example.com/img-b:1", "debian:12", hours=1)

    answer = tracker("deps", "img-b:1")

    assert answer.status == 2
    assert f"{HOST}/img-b:1" in answer.err
    assert "other.example.com/img-b:1" in answer.err


def test_a_short_name_means_the_default_registry_where_that_has_it(
    sample: Sample, tracker: Tracker, tmp_path: Path
) -> None:
    sample.build("other.example.com/img-b:1", "debian:12", hours=1)
    settings = tmp_path / "tracker.toml"
    settings.write_text('registry = "other.example.com"')

    answer = tracker("--config", str(settings), "deps", "img-b:1", "--json")

    assert answer.json["reference"] == "other.example.com/img-b:1"


def test_a_wrong_name_is_refused_with_the_rule_that_it_breaks(sample: Sample, tracker: Tracker) -> None:
    answer = tracker("deps", "Debian:12")

    assert answer.status == 2
    assert answer.err == (
        "error: image name 'Debian:12' is not valid: repositories are lower case\nhint: write 'debian:12'\n"
    )


def test_without_a_database_the_error_says_how_to_come_by_one(tracker: Tracker) -> None:
    answer = tracker("deps", "debian:12")

    assert answer.status == 1
    assert "nothing has been recorded yet" in answer.err
    assert "hint: record a build with 'tracker build" in answer.err


def test_a_file_that_is_no_database_is_an_error_not_a_traceback(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/graph.db").write_bytes(b"no database, however long it is" * 40)

    answer = tracker("deps", "debian:12")

    assert answer.status == 1
    assert "hint:" in answer.err


def test_dependants_are_listed_by_distance(sample: Sample, tracker: Tracker) -> None:
    answer = tracker("rdeps", "debian:12", "--json").json

    assert answer["reference"] == "docker.io/library/debian:12"
    assert [(d["distance"], d["reference"], d["role"]) for d in answer["dependants"]] == [
        (1, f"{HOST}/base:1", "runtime"),
        (2, f"{HOST}/img-b:1", "runtime"),
        (2, f"{HOST}/img-c:1", "runtime"),
        (3, f"{HOST}/img-d:1", "runtime"),
        (4, LONG, "runtime"),
    ]


def test_dependants_are_counted_for_people(sample: Sample, tracker: Tracker) -> None:
    lines = tracker("rdeps", "base:1", "--depth", "1").lines

    assert lines[1].split() == ["1", "runtime", "2d", f"{HOST}/img-b:1"]
    assert lines[-1] == f"2 images stand on {HOST}/base:1"


def test_an_image_at_the_top_has_nothing_above_it(sample: Sample, tracker: Tracker) -> None:
    assert tracker("rdeps", LONG).out == f"nothing known stands on {LONG}\n"


def test_a_terminal_gets_colours_and_no_color_takes_them_away(sample: Sample, tmp_path: Path) -> None:
    """A real pseudo-terminal: what a person's screen is sent."""
    from tests.tracker.cli.terminal import shown

    words = ["--state", str(tmp_path / "state"), "deps", "base:1"]

    assert "\x1b[" in shown(words)
    assert shown(words, NO_COLOR="1") == click.unstyle(shown(words))


def test_an_image_for_two_platforms_is_compared_on_each(sample: Sample, tracker: Tracker) -> None:
    both = index_of(amd64="x", arm64="y")
    sample.observe("alpine:3.20", both, hours=9)
    sample.build(f"{HOST}/two:1", "alpine:3.20", hours=8, platforms=[AMD64, *list(both.platforms)[1:]])
    sample.observe("alpine:3.20", single("no index any more"), hours=1)

    (base,) = tracker("deps", "two:1", "--json").json["bases"]

    assert set(base["recorded_platform_digests"]) == {"linux/amd64", "linux/arm64"}
    assert base["fresh"] is False


def debian_says(sample: Sample) -> None:
    """debian:12, as base:1 used it, says that it stands on bootstrap:1."""
    sample.hear("debian", "bootstrap:1")


def test_what_an_image_says_of_itself_is_starred_and_explained(sample: Sample, tracker: Tracker) -> None:
    debian_says(sample)

    lines = tracker("deps", "base:1").lines

    assert lines[3].split() == ["└─", "bootstrap:1", "runtime*", digest_of("bootstrap:1").short, "-", "-"]
    assert lines[-1] == "* is what the image above says of itself: not recorded here and not watched"


def test_what_an_image_says_of_itself_has_the_keys_of_any_base(sample: Sample, tracker: Tracker) -> None:
    debian_says(sample)

    tree = tracker("deps", "base:1", "--json").json

    (debian,) = tree["bases"]
    (said,) = debian["bases"]
    assert list(said) == list(debian)
    assert (said["role"], said["via"], said["stage"], said["line"]) == ("runtime", "from", "", 0)
    assert (said["observed_digest"], said["fresh"], tree["fresh"]) == (None, None, True)


def test_dependants_over_words_are_starred(sample: Sample, tracker: Tracker) -> None:
    debian_says(sample)

    answer = tracker("rdeps", "bootstrap:1", "--depth", "2")

    assert answer.lines[2].split() == ["2", "runtime*", "3d", f"{HOST}/base:1"]
    assert tracker("rdeps", "debian:12", "--json").json["dependants"][0]["said"] is False


def test_a_name_that_was_only_said_says_where_it_comes_from(sample: Sample, tracker: Tracker) -> None:
    debian_says(sample)

    assert "see 'tracker rdeps bootstrap:1'" in tracker("deps", "bootstrap:1").out


def test_an_image_shows_its_bases_recorded_and_as_rebuilt_since(sample: Sample, tracker: Tracker) -> None:
    used = digest_of(f"{HOST}/base:1 built 72 hours ago")
    sample.build(f"{HOST}/base:1", "debian:12", hours=1)

    (base,) = tracker("deps", "img-b:1", "--json").json["bases"]

    assert base["recorded_digest"] == str(used)
    assert base["observed_digest"] == str(digest_of(f"{HOST}/base:1 built 1 hours ago"))
    assert base["fresh"] is False
