"""The text of a context names one place, the same one each time, and shows no password."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.errors import WrongUse
from graph.reference import ImageRef
from rebuild.context.where import (
    TOKEN_USER,
    Artifact,
    Folder,
    Git,
    Nothing,
    Place,
    Source,
    StandardInput,
    Tarball,
    parse_repository,
)
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret

REPOSITORY = "https://git.example.com/u/r.git"
AZURE = "https://dev.azure.com/org/proj/_git/repo"
STUDIO = "https://Org.VisualStudio.com/proj/_git/repo"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (".", Folder(Path())),
        ("/srv/app", Folder(Path("/srv/app"))),
        ("app.git", Folder(Path("app.git"))),
        (REPOSITORY, Git(REPOSITORY)),
        (f"{REPOSITORY}#", Git(REPOSITORY)),
        (f"{REPOSITORY}/#main", Git(f"{REPOSITORY}/", "main")),
        (f"{REPOSITORY}#main", Git(REPOSITORY, "main")),
        (f"{REPOSITORY}#v1.2:a/b", Git(REPOSITORY, "v1.2", "a/b")),
        (f"{REPOSITORY}#:a/./b//", Git(REPOSITORY, None, "a/b")),
        (f"{REPOSITORY}#pull/42/head", Git(REPOSITORY, "pull/42/head")),
        (f"{REPOSITORY}#refs/pull/42/merge:x", Git(REPOSITORY, "refs/pull/42/merge", "x")),
        (f"{REPOSITORY}#0123abc", Git(REPOSITORY, "0123abc")),
        ("HTTPS://git.example.com/r.git", Git("https://git.example.com/r.git")),
        (AZURE, Git(AZURE)),
        (f"{AZURE}#dev:dir", Git(AZURE, "dev", "dir")),
        (f"{STUDIO}/#dev", Git(STUDIO, "dev")),
        ("http://dev.azure.com/org/proj/_git/repo", Tarball("http://dev.azure.com/org/proj/_git/repo")),
        (f"{AZURE}?path=/x", Tarball(AZURE, query=Secret("path=/x"))),
        ("https://my-dev.azure.com/o/_git/r", Tarball("https://my-dev.azure.com/o/_git/r")),
        ("git@git.example.com:u/r.git#main:x", Git("git@git.example.com:u/r.git", "main", "x")),
        ("org@vs-ssh.visualstudio.com:v3/o/p/r", Git("org@vs-ssh.visualstudio.com:v3/o/p/r")),
        ("user@example.com:x", Folder(Path("user@example.com:x"))),
        ("ssh://git@git.example.com:22/r.git", Git("ssh://git@git.example.com:22/r.git")),
        ("git://git.example.com/r", Git("git://git.example.com/r")),
        ("file:///srv/r.git#main", Git("file:///srv/r.git", "main")),
        ("github.com/u/r#main", Git("https://github.com/u/r.git", "main")),
        ("https://example.com/x.tar.gz", Tarball("https://example.com/x.tar.gz")),
        ("https://github.com/u/r", Tarball("https://github.com/u/r")),
        ("https://example.com/r.git?at=main", Tarball("https://example.com/r.git", query=Secret("at=main"))),
        ("OCI://localhost:5000/a:1", Artifact(ImageRef("localhost:5000", "a", "1"))),
        ("-", StandardInput()),
        ("/DEV/null", Nothing()),
    ],
)
def test_a_text_names_its_place(text: str, place: Place) -> None:
    assert Source.parse(text).place == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 5000,
        "a\nb",
        f" {REPOSITORY}",
        "ftp://example.com/x.tar",
        "s3://bucket/x",
        "https:///r.git",
        "https://example.com:99999/r.git",
        "https://[::1/r.git",
        "https://example.com/x.tar.gz#main",
        f"{REPOSITORY}#-x",
        f"{REPOSITORY}#a..b",
        f"{REPOSITORY}#a b",
        f"{REPOSITORY}#main:../x",
        f"{REPOSITORY}#main:a/.GIT/hooks",
        "ssh://-oProxyCommand=touch/r.git",
        "ssh://-x@example.com/r.git",
        "ssh://git:word@example.com/r.git",
        "git@-oProxyCommand=touch:r.git",
        "-x@vs-ssh.visualstudio.com:r",
        "git@example.com",
        "git@example.com:-r",
        "file://elsewhere/r.git",
        "file://r.git",
        "oci://Example.com/Upper:1",
        "https://u:a%0ab@example.com/r.git",
        "https://a%3Ab:word@example.com/r.git",
        "http://s3cret@example.com/r.git",
        "http://u:w@example.com/x.tar",
        "git://u:w@example.com/r.git",
    ],
)
def test_a_text_that_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(WrongUse):
        Source.parse(text)


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("https://u:p%40w@example.com/r.git", Login("u", Secret("p@w"))),
        ("https://s3cret@example.com/r.git", Login(TOKEN_USER, Secret("s3cret"))),
        ("https://u:w@example.com/x.tar", Login("u", Secret("w"))),
        (f"https://org@{AZURE.removeprefix('https://')}", None),
        (f"https://s3cret@{AZURE.removeprefix('https://')}", Login(TOKEN_USER, Secret("s3cret"))),
        (REPOSITORY, None),
    ],
)
def test_a_login_in_a_url_is_taken_out_of_it(text: str, login: Login | None) -> None:
    source = Source.parse(text)

    assert isinstance(source.place, Git | Tarball)
    assert source.place.login == login
    assert "@" not in str(source)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]", "localhost"])
def test_a_login_may_stay_on_this_machine_in_the_clear(host: str) -> None:
    place = Source.parse(f"http://s3cret@{host}/r.git").place

    assert place == Git(f"http://{host}/r.git", login=Login(TOKEN_USER, Secret("s3cret")))


def test_a_query_leaves_its_mark_in_the_text_and_nothing_more() -> None:
    source = Source.parse("https://example.com/x.tar?sv=1&sig=s3cret")
    again = Source.parse(str(source)).place

    assert str(source) == "https://example.com/x.tar?***"
    assert isinstance(again, Tarball) and again.misses_its_query


@pytest.mark.parametrize(
    "text",
    [
        "https://user:s3cret@example.com/r.git#-x",
        "http://user:s3cret@example.com/r.git",
        "https://a%3As3cret:s3cret@example.com/r.git",
        "https://s3cret@example.com/x.tar#main",
        "https://user:s3/cret@example.com:99999/r.git",
        "ftp://user:s3cret@example.com/",
        "https://u:s3cret@example.com/r.git#a b",
        "https://example.com/x.tar?sig=s3cret#x",
        " https://u:s3cret@example.com/r.git",
    ],
)
def test_an_error_shows_no_password(text: str) -> None:
    with pytest.raises(WrongUse) as raised:
        Source.parse(text)

    assert "s3cret" not in f"{raised.value.message} {raised.value.hint}"


@pytest.mark.parametrize(
    ("text", "local"),
    [(".", True), ("-", True), ("file:///srv/r.git", True), (REPOSITORY, False), ("/dev/null", False)],
)
def test_it_is_known_whether_a_place_is_on_this_machine(text: str, local: bool) -> None:
    assert Source.parse(text).is_local is local


@pytest.mark.parametrize("url", ["ext::sh -c id", "/srv/r", "fd::7", "ftp://example.com/r", "-x", "u/r.git"])
def test_a_repository_is_named_by_a_protocol_of_gits(url: str) -> None:
    with pytest.raises(WrongUse):
        parse_repository(url)


PIECES = st.sampled_from(
    ["https://", "http://", "git@", "oci://", "file://", "ssh://", "github.com/", "h", ":", "/", "#", "@",
     ".git", "?", "..", "-", "_git/", "dev.azure.com", "[", "]", "%", " ", "1", "\\", "é", "\x00", "main"]
)  # fmt: skip


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join)))
def test_any_text_is_a_place_that_prints_as_itself_or_is_refused(text: str) -> None:
    try:
        source = Source.parse(text)
    except WrongUse:
        return
    again = Source.parse(str(source))

    assert str(again) == str(source)
    assert type(again.place) is type(source.place)
