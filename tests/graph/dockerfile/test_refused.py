"""Dockerfiles that BuildKit refuses, each with the line and the rule that the message names."""
# ruff: noqa: E501 - tables, a rule a line

from __future__ import annotations

import pytest

from graph.dockerfile import DockerfileError, scan
from graph.reference import Platform

HERE = Platform.parse("linux/amd64")

# sentence: file, what the message begins with after the path, the target
CASES: dict[str, tuple[str, str]] = {
    # the file
    "an empty file": ("", "1: the file has no instructions"),
    "a file of comments": ("# a\n\n# b", "1: the file has no instructions"),
    "a file without FROM": ("ARG A=1", "1: the file has no FROM"),
    "an instruction before FROM": ("ARG A\nRUN x\nFROM a", "2: RUN stands before the first FROM: RUN x"),
    "an unknown instruction": ("FROM a\nFORM b", "2: unknown instruction 'FORM': FORM b"),
    "a keyword with a no-break space": ("FROM\u00a0a", "1: unknown instruction"),
    "a continuation of nothing": ("FROM a\n\\", "2: unknown instruction ''"),
    "a second byte order mark": ("\ufeff\ufeffFROM a", "1: unknown instruction"),
    # directives
    "an escape that is neither": ("# escape=x\nFROM a", "1: escape character 'x' is neither"),
    "an empty escape": ("# escape= \nFROM a", "1: escape character ' ' is neither"),
    "a directive given twice": ("# escape=`\n# escape=`\nFROM a", "2: only one escape directive"),
    "a syntax image that is no name": ("# syntax=A\nFROM a", "1: image name 'A' is not valid"),
    # here-documents
    "a here-document without end": ("FROM a\nRUN <<E\nx\nEE", "2: the here-document is not ended by a line 'E'"),
    "an end behind a blank": ("FROM a\nRUN <<E\n E", "2: the here-document is not ended"),
    "an end behind a tab without a dash": ("FROM a\nRUN <<E\n\tE", "2: the here-document is not ended"),
    "the second of two without end": ("FROM a\nRUN <<A <<B\nA", "2: the here-document is not ended by a line 'B'"),
    "a here-document as a destination": ("FROM a\nCOPY x <<E\nE", "2: a here-document cannot be a destination"),
    # FROM
    "FROM alone": ("FROM", "1: FROM takes an image"),
    "FROM with two words": ("FROM a b", "1: FROM takes an image, or an image, AS and a name: FROM a b"),
    "FROM with a comment": ("FROM a # base", "1: FROM takes an image"),
    "FROM with a name and a comment": ("FROM a AS x # base", "1: FROM takes an image"),
    "FROM with another word than AS": ("FROM a IS x", "1: FROM takes an image"),
    "quotes that hold a space": ('FROM "a b"', "1: FROM takes an image"),
    "a stage that begins with a digit": ("FROM a AS 1x", "1: '1x' is not valid as the name of a stage"),
    "a stage with a slash": ("FROM a AS x/y", "1: 'x/y' is not valid as the name of a stage"),
    "an unknown flag": ("FROM --link a", "1: unknown flag --link of FROM"),
    "a flag without its equals sign": ("FROM --platform linux/arm64 a", "1: --platform has no value"),
    "a flag given twice": ("FROM --platform=linux/a --platform=linux/b a", "1: --platform is given twice"),
    "a platform that expands to nothing": ("FROM --platform=$X a", "1: --platform=$X is blank"),
    "a platform of too many parts": ("FROM --platform=a/b/c/d a", "1: platform 'a/b/c/d' is not of the form"),
    "a platform of one unknown word": ("FROM --platform=local a", "1: platform 'local' is not of the form"),
    "a shift between blanks": ("FROM a\nRUN echo $((1 << 2))", "2: the here-document is not ended by a line '2))'"),
    "a base without a value": ("FROM $X", "1: the base name is blank: FROM $X"),
    "an ARG without a value": ("ARG X\nFROM ${X}", "2: the base name is blank"),
    "a tag without a value": ("FROM a:$X", "1: image name 'a:'"),
    "an upper-case repository": ("FROM Alpine", "1: image name 'Alpine' is not valid: repositories are lower case"),
    "a stage in another case": ("FROM a AS build\nFROM Build", "2: image name 'Build' is not valid"),
    "scratch in another case": ("FROM Scratch", "1: image name 'Scratch' is not valid"),
    "a bad name in an unused stage": ("FROM A\nFROM b", "1: image name 'A' is not valid"),
    "a digest of the wrong length": ("FROM a@sha256:12", "1: image name 'a@sha256:12'"),
    "a single-quoted variable": ("ARG X=a\nFROM '$X'", "2: image name '$X'"),
    # expansion
    "braces without end": ("FROM ${X", "1: unsupported modifier"),
    "braces without a name": ("FROM ${}", "1: bad substitution"),
    "an unknown modifier": ("FROM ${X^}", "1: unsupported modifier '^'"),
    "a colon before a trimming modifier": ("FROM a${X:#b}", "1: unsupported modifier ':#'"),
    "a required variable": ("FROM a:${X:?say which}", "1: FROM takes an image"),
    "a required variable that is not set": ("FROM a:${X?which}", "1: X: which"),
    "a required variable that is empty": ("ARG X=\nFROM a:${X:?}", "2: X: is not allowed to be empty"),
    "a quote without end": ("FROM \"a", "1: a double quote is not closed"),
    "an error in a default that is not used": ("ARG X=1\nFROM a:${X:-${}}", "2: bad substitution"),
    "an ARG that cannot be read": ("ARG X=${\nFROM a", "1: "),
    # COPY and ADD
    "COPY with one word": ("FROM a\nCOPY x", "2: COPY takes at least a source and a destination"),
    "an unknown flag of COPY": ("FROM a\nCOPY --form=b x y", "2: unknown flag --form of COPY"),
    "a variable in --from": ("ARG X=b\nFROM a\nCOPY --from=$X x y", "3: --from takes no variables"),
    "a variable in --from of an unused stage": ("FROM a\nCOPY --from=$X x y\nFROM b", "2: --from takes no variables"),
    "a stage number that is not there": ("FROM a\nCOPY --from=7 x y", "2: there is no stage 7"),
    "a negative stage number": ("FROM a\nCOPY --from=-1 x y", "2: there is no stage -1"),
    "a stage that copies from itself": ("FROM a AS x\nCOPY --from=x y z", "1: stage 'x' takes from itself"),
    "stages in a circle": ("FROM a AS x\nCOPY --from=y b c\nFROM a AS y\nCOPY --from=x b c", "1: stage 'x' takes"),
    "a copy from a later stage": (
        "FROM a AS x\nCOPY --from=y b c\nFROM x\nFROM a AS y\nFROM x", "2: stage 'y' is taken from before",
    ),
    "an upper-case image in --from": ("FROM a\nCOPY --from=B x y", "2: image name 'B' is not valid"),
    "a switch with another value": ("FROM a\nCOPY --link=maybe x y", "2: --link is true or false, not 'maybe'"),
    "--from of ADD": ("FROM a\nADD --from=b x y", "2: unknown flag --from of ADD"),
    # RUN --mount
    "a variable in the from of a mount": ("FROM a\nRUN --mount=from=$X,target=/x y", "2: from= of a mount takes no"),
    "a mount without fields": ("FROM a\nRUN --mount= x", "2: --mount is empty"),
    "a quote inside a field of a mount": ("FROM a\nRUN --mount='from=b\"c' x", "2: --mount is no list of key=value"),
    "a mount from a later stage": (
        "FROM a\nRUN --mount=from=y,target=/y z\nFROM b AS y\nFROM a AS x\nCOPY --from=0 p q",
        "2: stage 'y' is taken from before",
    ),
    "a mount of an unknown type": ("FROM a\nRUN --mount=type=volume,target=/x y", "2: there is no mount of type 'volume'"),
    "a mount whose from has no value": ("FROM a\nRUN --mount=from,target=/x y", "2: 'from' in --mount is not of the form"),
    "a mount with a comma too many": ("FROM a\nRUN --mount=from=b,,target=/x y", "2: '' in --mount is not of the form"),
    # ONBUILD
    "ONBUILD FROM": ("FROM a\nONBUILD FROM b", "2: FROM is not allowed as a trigger of ONBUILD"),
    "ONBUILD ONBUILD": ("FROM a\nONBUILD ONBUILD RUN x", "2: ONBUILD is not allowed as a trigger"),
    "a trigger whose values have no form": ("FROM a\nONBUILD ENV x=1 y", "2: 'y' is not of the form name=value"),
    "a fired trigger with open braces": ("FROM a AS x\nONBUILD ENV y=${\nFROM x", "2: unsupported modifier"),
    "a fired trigger with an unknown mount": (
        "FROM a AS x\nONBUILD RUN --mount=type=disk,target=/y z\nFROM x", "2: there is no mount of type 'disk'",
    ),
    "ONBUILD alone": ("FROM a\nONBUILD", "2: ONBUILD takes an argument"),
    "a fired trigger with a variable": ("FROM a AS x\nONBUILD COPY --from=$Y p q\nFROM x", "2: --from takes no"),
    "a fired trigger that is no instruction": ("FROM a AS x\nONBUILD MAKE it\nFROM x", "2: the trigger is no"),
    # values and variables
    "an unknown network": ("FROM a\nRUN --network=bridge x", "2: --network is default, none or host, not 'bridge'"),
    "an unknown security mode": ("FROM a\nRUN --security=off x", "2: --security is sandbox or insecure, not 'off'"),
    "an interval without a unit": ("FROM a\nHEALTHCHECK --interval=5 CMD x", "2: --interval is a duration"),
    "an interval that is too short": ("FROM a\nHEALTHCHECK --timeout=0.9ms CMD x", "2: --timeout is a duration of at"),
    "a negative number of retries": ("FROM a\nHEALTHCHECK --retries=-1 CMD x", "2: --retries is a number from 0 on"),
    "a value with an open quote": ("FROM a\nENV x=\"y", "2: a double quote is not closed"),
    "a path with open braces": ("FROM a\nCOPY a ${x", "2: unsupported modifier"),
    "an unknown modifier in a label": ("FROM a\nLABEL x=${y^^}", "2: unsupported modifier '^'"),
    # the others
    "an ARG with an empty name": ("ARG =1\nFROM a", "1: a name of ARG is empty"),
    "ENV with a name alone": ("FROM a\nENV x", "2: ENV takes a name and a value"),
    "ENV of mixed forms": ("FROM a\nENV x=1 y", "2: 'y' is not of the form name=value"),
    "SHELL without JSON": ("FROM a\nSHELL sh -c", "2: SHELL takes a JSON array"),
    "JSON with a number": ("FROM a\nRUN [1]", "2: a JSON array of arguments holds strings only"),
    "an unknown health check": ("FROM a\nHEALTHCHECK PING", "2: HEALTHCHECK takes CMD or NONE"),
    "WORKDIR alone": ("FROM a\nWORKDIR", "2: WORKDIR takes an argument"),
    "an empty volume": ('FROM a\nVOLUME [""]', "2: VOLUME takes paths"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CASES)
def test_a_file_that_buildkit_refuses(sentence: str) -> None:
    file, message = CASES[sentence]

    assert refusal(file.encode()).startswith(f"app/Dockerfile:{message}")


def test_a_target_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(DockerfileError) as caught:
        scan(b"FROM a AS x\nFROM b", path="D", platform=HERE, build_platform=HERE, target="y")

    assert caught.value.message == "D:2: there is no target stage 'y'"
    assert caught.value.hint == "the stages are: x, 1"


def test_the_way_out_of_a_blank_base_is_told() -> None:
    with pytest.raises(DockerfileError) as caught:
        scan(b"FROM $X", path="D", platform=HERE, build_platform=HERE)

    assert caught.value.hint == "give $X a value: --build-arg, or ARG with a default before the first FROM"
    assert caught.value.exit_code == 2


def test_the_way_out_of_a_tag_without_a_value_is_told() -> None:
    with pytest.raises(DockerfileError) as caught:
        scan(b"ARG V\nFROM bash:$V", path="D", platform=HERE, build_platform=HERE)

    assert caught.value.hint == (
        "give the variables of bash:$V values: --build-arg, or ARG with a default before the first FROM"
    )


def test_a_message_holds_no_control_characters_and_not_the_whole_line() -> None:
    message = refusal(b"FROM a\nFOO \x1b[2J" + b"x" * 5000)

    assert message.isprintable()
    assert len(message) < 200


def test_a_stage_after_the_last_one_is_no_target() -> None:
    with pytest.raises(DockerfileError, match="no target stage '2'"):
        scan(b"FROM a\nFROM b", path="D", platform=HERE, build_platform=HERE, target="2")


def refusal(content: bytes) -> str:
    with pytest.raises(DockerfileError) as caught:
        scan(content, path="app/Dockerfile", platform=HERE, build_platform=HERE)
    return caught.value.message
