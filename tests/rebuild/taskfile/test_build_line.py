"""The words of a build line, by docker's own rules for flags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.reference import Platform
from rebuild.taskfile import BuildLine, BuildLineError, BuildSecret, parse_build_line
from rebuild.taskfile.build_flags import FLAGS, SHORT_FLAGS, Use


def parse(line: str) -> BuildLine:
    return parse_build_line(tuple(line.split()))


def test_a_context_is_enough() -> None:
    assert parse(".") == BuildLine(".")


@pytest.mark.parametrize(
    "line",
    [
        "-t a -t b .",
        "-ta -tb .",
        "-t=a -t=b .",
        "--tag a --tag=b .",
        ". --tag a -t b",
        "-t a -- .",
        "-qt a -t b .",
    ],
)
def test_every_spelling_of_a_flag(line: str) -> None:
    line = line if "b" in line else f"-t b {line}"

    assert set(parse(line).tags) == {"a", "b"}
    assert parse(line).context == "."


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-f docker/Dockerfile .", BuildLine(".", dockerfile="docker/Dockerfile")),
        ("-f a --file=b .", BuildLine(".", dockerfile="b")),
        ("--build-arg A=1 --build-arg=B=x=y --build-arg C .",
         BuildLine(".", build_args=(("A", "1"), ("B", "x=y"), ("C", None)))),
        ("--label a=b --label c .", BuildLine(".", labels=(("a", "b"), ("c", "")))),
        ("--target build .", BuildLine(".", target="build")),
        ("--platform linux/arm64,amd64 --platform linux/arm64 .",
         BuildLine(".", platforms=(Platform("linux", "arm64"), Platform("linux", "amd64")))),
        ("--no-cache .", BuildLine(".", no_cache=True)),
        ("--no-cache=true --pull=false .", BuildLine(".", no_cache=True)),
        ("--no-cache --no-cache=0 .", BuildLine(".")),
        ("--pull .", BuildLine(".", pull=True)),
        ("--pull=always .", BuildLine(".", pull=True)),
        ("--pull=never .", BuildLine(".")),
        ("--network=none .", BuildLine(".", network="none")),
        ("--network host .", BuildLine(".", network="host")),
        ("-m 2GB --cpu-quota=5 -c 7 .",
         BuildLine(".", engine_flags=("--memory=2GB", "--cpu-quota=5", "--cpu-shares=7"))),
        ("--rm=false --progress plain --isolation hyperv -q .",
         BuildLine(".", without_effect=("--rm", "--progress", "--isolation", "--quiet"))),
        ("--secret id=a,src=/run/x --secret id=b,env=B --secret=id=c --secret type=file,id=d,source=y .",
         BuildLine(".", secrets=(BuildSecret("a", "/run/x"), BuildSecret("b", variable="B"),
                                 BuildSecret("c", variable="c"), BuildSecret("d", "y")))),
    ],
)  # fmt: skip
def test_what_a_line_asks_for(line: str, expected: BuildLine) -> None:
    assert parse(line) == expected


def test_a_switch_takes_no_word_after_it() -> None:
    assert parse("--no-cache src").context == "src"
    assert parse("--pull https://github.com/x/y.git").context == "https://github.com/x/y.git"


@pytest.mark.parametrize(
    "context",
    ["https://github.com/x/y.git#main:src", "git://x/y", "git@github.com:x/y.git", "ssh://git@x/y", "oci://reg/x:1",
     "github.com/x/y", "http://x/y.tar.gz"],
)  # fmt: skip
def test_a_remote_context_is_known_as_one(context: str) -> None:
    assert parse(f"-t a {context}").is_remote


@pytest.mark.parametrize("context", [".", "src", "../x", "/workspace", "https", "git"])
def test_a_folder_is_no_remote_context(context: str) -> None:
    assert not parse(context).is_remote


@pytest.mark.parametrize(
    ("words", "rule", "hint"),
    [
        (("-t", "a"), "the build names no context", "such as ."),
        ((".", "src"), "the build names 2 contexts: '.' 'src'", "into quotes"),
        (("-",), "a step has no standard input", "name a folder"),
        (("",), "the context is an empty text", "such as ."),
        (("-f", "-", "."), "no standard input to read a Dockerfile", "name a file"),
        ((".", "-t"), "-t has no value", "write -t VALUE"),
        ((".", "--file"), "--file has no value", "write --file VALUE"),
        ((".", "--image", "a"), "docker build has no flag --image", "did you mean --tag?"),
        ((".", "--taget=x"), "docker build has no flag --taget", "did you mean --target?"),
        ((".", "--zzzzzz"), "docker build has no flag --zzzzzz", "None"),
        ((".", "-x"), "docker build has no flag -x", "None"),
        (("-t", "UPPER", "."), "repositories are lower case", "write 'upper'"),
        (("-t", "a@sha256:" + "0" * 64, "."), "has a digest", "None"),
        (("--build-arg", "=x", "."), "not of the form NAME=VALUE", "None"),
        (("--build-arg", "a b=c", "."), "not of the form NAME=VALUE", "None"),
        (("--no-cache=maybe", "."), "'maybe' is neither true nor false", "None"),
        (("--platform=a/b/c/d", "."), "is not of the form os/architecture", "write a platform"),
        (("--network=other", "."), "RUN steps join no network of the task", "default or none"),
        (("--secret=src=x", "."), "is not understood", "id=NAME,src=FILE"),
        (("--secret=id=a,mode=0400", "."), "is not understood", "id=NAME,src=FILE"),
        (("--secret=id=a,src=b,env=c", "."), "names both a file and a variable", "None"),
        (("--secret=id=a b", "."), "has other characters", "None"),
        (("--ssh=default", "."), "--ssh is not allowed: no build sees", "use --secret"),
        (("--output=x", "."), "--output is not allowed", "build an image"),
        (("-o", "x", "."), "--output is not allowed", "build an image"),
        (("--push", "."), "--push is not allowed", "add a push step"),
        (("--iidfile", "x", "."), "--iidfile is not allowed", "the run's record"),
        (("--security-opt", "x", "."), "--security-opt is not allowed", "remove it"),
        (("--cache-to=type=local", "."), "--cache-to is not allowed", "write 'cache: enabled'"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_refused(words: tuple[str, ...], rule: str, hint: str) -> None:
    with pytest.raises(BuildLineError) as caught:
        parse_build_line(words)

    assert rule in caught.value.rule
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    "flag", [flag for flag in FLAGS.values() if flag.use is Use.REFUSED], ids=lambda f: f.name
)
def test_a_refused_flag_says_why_and_what_else_to_do(flag: object) -> None:
    why = getattr(flag, "why")  # noqa: B009

    assert why.count("; ") == 1


def test_no_two_flags_share_a_letter() -> None:
    assert len(SHORT_FLAGS) == sum(bool(flag.short) for flag in FLAGS.values())


def test_build_arguments_without_a_value_take_it_from_the_environment_or_go() -> None:
    line = parse("--build-arg A --build-arg B --build-arg C=3 --build-arg C=4 .")

    assert line.arguments({"A": "1", "C": "9"}) == {"A": "1", "C": "4"}


def test_tags_are_known_by_their_full_names() -> None:
    line = parse_build_line(
        ("-t", "app", "-t", "docker.io/library/app:latest", "-t", "x:%{steps.a.outputs.b}", ".")
    )

    assert [str(image) for image in line.images] == ["docker.io/library/app:latest"]
    assert line.tags == ("app", "docker.io/library/app:latest", "x:%{steps.a.outputs.b}")


WORDS = [".", "-", "--", "-t", "-tq", "-q", "--tag=", "--tag=a", "--pull", "--file", "", "=", "--=", "-=",
         "--secret=,,", "--platform=,", "--build-arg", "x=y", "a b", "é"]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=10), max_size=6).map(tuple))
def test_any_words_are_a_build_line_or_an_error(words: tuple[str, ...]) -> None:
    try:
        line = parse_build_line(words)
    except BuildLineError:
        return

    assert line.context
