"""A download ends whole, or with an error that says what came; whatever the server does."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rebuild.context.fault import ContextError, TooLarge, Unsafe
from rebuild.context.fetch import Fetched, fetch
from rebuild.context.limits import Limits
from rebuild.context.where import Source
from tests.rebuild.context.archives import link, tar_of
from tests.rebuild.context.web import (
    TARBALL,
    Answer,
    Server,
    body,
    endless,
    in_turn,
    redirect,
    serving,
    stuck,
)

QUICK = Limits(transfer_bytes=1_000_000, first_pause_s=0.01, idle_s=1, timeout_s=20)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "into"


def fetched(url: str, into: Path, **more: Any) -> Fetched:
    more = {"limits": QUICK} | more
    return asyncio.run(fetch(Source.parse(url), into, log=lambda piece: None, **more))


def test_an_archive_is_unpacked_and_its_digest_told(server: Server, into: Path) -> None:
    found = fetched(server.gives("/x.tar.gz", body(TARBALL)), into)

    assert (into / "Dockerfile").read_text() == "FROM scratch\n"
    assert found.folder == into
    assert found.digest is not None and found.digest.algorithm == "sha256"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"<!DOCTYPE html><title>GitHub</title>", "a web page"),
        (b"", "an empty file"),
        (b"PK\x03\x04", "a zip file"),
        (b'{"message": "no"}', "JSON"),
    ],
)
def test_what_came_instead_is_named_with_the_way_out(
    content: bytes, named: str, server: Server, into: Path
) -> None:
    url = server.gives("/u/r", body(content))

    with pytest.raises(ContextError, match=named) as raised:
        fetched(url, into)
    assert raised.value.hint and f"{url}.git" in raised.value.hint
    assert not into.exists()


def test_a_refusal_is_final_and_told_in_the_servers_words(server: Server, into: Path) -> None:
    url = server.gives("/x", body(b"no such\nbuild", status=404))

    with pytest.raises(ContextError, match="answers 404: no such build"):
        fetched(url, into)
    assert len(server.asked) == 1


def test_a_passing_fault_is_tried_again(server: Server, into: Path) -> None:
    url = server.gives("/x", in_turn(body(b"", status=503), body(TARBALL[:30], promised=100), body(TARBALL)))

    fetched(url, into)

    assert len(server.asked) == 3
    assert (into / "Dockerfile").exists()


def test_a_lasting_fault_ends_after_three_attempts(server: Server, into: Path) -> None:
    with pytest.raises(ContextError, match="answers 500"):
        fetched(server.gives("/x", body(b"", status=500)), into)
    assert len(server.asked) == 3


@pytest.mark.parametrize("answer", [stuck, body(TARBALL[:50], promised=len(TARBALL))])
def test_half_an_archive_is_no_context(answer: Answer, server: Server, into: Path) -> None:
    with pytest.raises(ContextError, match="cannot be downloaded"):
        fetched(server.gives("/x", answer), into, limits=Limits(attempts=1, idle_s=0.2))
    assert not into.exists()


def test_a_download_without_end_is_bounded(server: Server, into: Path) -> None:
    with pytest.raises(TooLarge, match="1000000 bytes to transfer"):
        fetched(server.gives("/x", endless), into)


def test_a_download_that_takes_for_ever_is_bounded(server: Server, into: Path) -> None:
    with pytest.raises(TooLarge, match="longer than 1 s"):
        fetched(server.gives("/x", stuck), into, limits=Limits(timeout_s=1))
    assert not into.exists()


def test_nobody_there_is_an_error(into: Path) -> None:
    with pytest.raises(ContextError, match="cannot be downloaded"):
        fetched("http://127.0.0.1:1/x.tar", into, limits=Limits(attempts=1))


def test_a_redirect_is_followed_and_a_circle_is_not(server: Server, into: Path) -> None:
    server.gives("/target", body(TARBALL))
    fetched(server.gives("/x", redirect("/target")), into)

    with pytest.raises(ContextError, match="redirects more than 5 times"):
        fetched(server.gives("/circle", redirect("/circle")), into.with_name("other"))


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"])
def test_a_redirect_leads_to_the_web_alone(to: str, server: Server, into: Path) -> None:
    with pytest.raises(ContextError, match="redirects from http to"):
        fetched(server.gives("/x", redirect(to)), into)


def test_a_login_goes_to_its_own_host_alone(server: Server, into: Path) -> None:
    with serving() as other:
        other.gives("/target", body(TARBALL))
        server.gives("/near", redirect(f"{other.url}/target"))
        url = server.gives("/x", redirect("/near")).replace("://", "://user:s3cret@")

        fetched(url, into)

    login = f"Basic {b64encode(b'user:s3cret').decode()}"
    assert server.asked == [("/x", login), ("/near", login)]
    assert other.asked == [("/target", None)]


def test_no_error_shows_a_login_or_a_signature(server: Server, into: Path) -> None:
    url = server.gives("/x?sig=s3cret", body(b"gone", status=410)).replace("://", "://user:s3cret@")

    with pytest.raises(ContextError) as raised:
        fetched(url, into)
    assert "s3cret" not in f"{raised.value.message} {raised.value.hint}"


def test_a_strangers_archive_keeps_no_link_out_of_its_folder(server: Server, into: Path) -> None:
    with pytest.raises(Unsafe):
        fetched(server.gives("/x", body(tar_of(link("l", "/etc")))), into)
    assert not into.exists()
