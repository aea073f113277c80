"""Image names and digests: what they mean, what is refused, and that printing them loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graph.errors import InvalidReference
from graph.reference import Digest, ImageRef

HEX = "0123456789abcdef" * 4

components = st.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-{1,3})[a-z0-9]+){0,2}", fullmatch=True)
hosts = st.from_regex(
    r"(?:[a-z0-9]+\.[a-z]+|localhost|[A-Z][a-z]*|\[::[0-9a-f]\])(?::[0-9]{1,5})?", fullmatch=True
)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
digests = st.binary(min_size=32, max_size=32).map(lambda content: f"sha256:{content.hex()}")


@st.composite
def written_names(draw: st.DrawFn) -> str:
    first = draw(st.one_of(st.from_regex(r"[a-z0-9]+/", fullmatch=True), hosts.map(lambda host: f"{host}/")))
    path = first + "/".join(draw(st.lists(components, min_size=1, max_size=3)))
    tag = draw(st.one_of(st.just(""), tags.map(lambda tag: f":{tag}")))
    digest = draw(st.one_of(st.just(""), digests.map(lambda digest: f"@{digest}")))
    return f"{path}{tag}{digest}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("alpine:3.20", "docker.io/library/alpine:3.20"),
        ("team/app", "docker.io/team/app:latest"),
        ("docker.io/alpine", "docker.io/library/alpine:latest"),
        ("index.docker.io/team/app:1", "docker.io/team/app:1"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("registry:5000/a/b/c:v1", "registry:5000/a/b/c:v1"),
        ("ghcr.io/org/app", "ghcr.io/org/app:latest"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1"),
        ("Host/app", "Host/app:latest"),
        (f"alpine@sha256:{HEX}", f"docker.io/library/alpine@sha256:{HEX}"),
        (f"alpine:3@sha256:{HEX}", f"docker.io/library/alpine:3@sha256:{HEX}"),
        ("a__b/c.d-e---f", "docker.io/a__b/c.d-e---f:latest"),
    ],
)
def test_a_name_as_written_stands_for_a_full_one(written: str, meant: str) -> None:
    assert str(ImageRef.parse(written)) == meant


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("", "empty"),
        ("https://ghcr.io/a", "URL scheme"),
        ("a b", "white space"),
        ("alpine\n", "white space"),
        (HEX, "names an image id"),
        ("Python", "lower case"),
        ("team/App:1", "lower case"),
        ("ghcr.io/", "no repository"),
        ("alpine:", "a tag has up to 128"),
        ("alpine:-x", "a tag has up to 128"),
        ("alpine:" + "x" * 129, "a tag has up to 128"),
        ("a:b:c", "a tag has up to 128"),
        ("a//b", "a part has letters and digits"),
        ("-a", "a part has letters and digits"),
        ("a___b", "a part has letters and digits"),
        ("a..b", "a part has letters and digits"),
        ("häuser", "a part has letters and digits"),
        ("-host.example/a", "is not a registry host"),
        ("host.example:port/a", "is not a registry host"),
        ("alpine@", "algorithm:hex"),
        ("alpine@sha256:abc", "64 lower-case hexadecimal digits"),
        (f"alpine@sha256:{HEX.upper()}", "64 lower-case hexadecimal digits"),
        (f"alpine@md5:{HEX}", "is not one of sha256"),
        ("a" * 256, "at most 255 characters"),
        ("a" * 100_000, "is no name"),
    ],
)
def test_a_refused_name_is_told_the_rule_it_breaks(written: str, rule: str) -> None:
    with pytest.raises(InvalidReference) as refusal:
        ImageRef.parse(written)

    assert rule in refusal.value.message
    assert len(refusal.value.message) < 1500


def test_the_hint_for_upper_case_is_the_name_in_lower_case() -> None:
    with pytest.raises(InvalidReference) as refusal:
        ImageRef.parse("ghcr.io/Team/App:V1")

    assert refusal.value.hint == "write 'ghcr.io/team/app:V1'"


@given(written_names())
@example("docker.io/library/team/app")
@example("docker.io/a.b/c")
@example("docker.io/localhost/c")
def test_a_name_survives_printing_in_full_and_in_short(written: str) -> None:
    reference = ImageRef.parse(written)

    assert ImageRef.parse(str(reference)) == reference
    assert ImageRef.parse(reference.familiar) == reference


@given(st.one_of(st.text(), st.text(alphabet="aA0.:/@_-[] \x00é", max_size=40), written_names()))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    try:
        reference = ImageRef.parse(text)
    except InvalidReference:
        return

    assert ImageRef.parse(str(reference)) == reference


@given(written_names(), digests.map(Digest.parse))
def test_a_pinned_name_keeps_its_repository_and_loses_its_tag(written: str, digest: Digest) -> None:
    reference = ImageRef.parse(written)

    pinned = reference.with_digest(digest)

    assert str(pinned) == f"{reference.name}@{digest}"


def test_a_name_without_a_registry_belongs_to_the_default_one_of_the_caller() -> None:
    assert str(ImageRef.parse("app:1", default_registry="registry:5000")) == "registry:5000/app:1"


@given(st.text(max_size=100))
def test_any_text_is_a_digest_or_is_refused(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except InvalidReference:
        return

    assert str(digest) == text
