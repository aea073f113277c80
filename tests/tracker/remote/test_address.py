"""Addresses of services as people write them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from tracker.remote.address import UnixAddress, WebAddress, answering, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://tracker.example.com", WebAddress("tracker.example.com", 443, True)),
        ("http://localhost:8484/", WebAddress("localhost", 8484, False)),
        ("https://[::1]:8443/ci/tracker/", WebAddress("::1", 8443, True, "/ci/tracker")),
        ("unix:/run/tracker/tracker.sock", UnixAddress(Path("/run/tracker/tracker.sock"))),
        ("unix:///run/t.sock", UnixAddress(Path("/run/t.sock"))),
    ],
)
def test_an_address_is_a_url_or_a_socket(text: str, address: object) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("tracker.example.com", "is not a URL of a service"),
        ("ftp://x", "is not a URL of a service"),
        ("https://", "is not a URL of a service"),
        ("https://h:99999", "is not a URL"),
        ("https://user:pass@h", "holds no user"),
        ("https://h/?a=1", "leave out what follows"),
        ("https://h /x", "is not a URL"),
        ("unix:relative", "begins with '/'"),
    ],
)
def test_what_is_none_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(WrongUse) as refused:
        parse_address(text)

    assert rule in refused.value.message
    assert "pass@" not in refused.value.message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_this_machine_is_known_by_each_of_its_names(host: str) -> None:
    address = parse_address(f"http://{host}:1")

    assert isinstance(address, WebAddress)
    assert address.is_loopback


@given(st.text(alphabet="htps:/@[]?#.%a1- \x00é", max_size=30))
def test_any_text_is_an_address_that_reads_back_or_wrong_use(text: str) -> None:
    try:
        address = parse_address(text)
    except WrongUse:
        return
    assert parse_address(str(address)) == address


def test_a_socket_whose_path_is_long_is_reached_and_one_left_behind_is_nobody(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    path = folder / "tracker.sock"
    nobody = answering(path)
    with socket.socket(socket.AF_UNIX) as listening:
        short = tmp_path / "s"
        short.symlink_to(folder)
        listening.bind(str(short / "tracker.sock"))
        listening.listen()
        somebody = answering(path)

    assert (nobody, somebody, answering(path)) == (False, True, False)
