"""Which key goes to which host of ssh."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuild.context.reach import SshFiles, SshHosts
from rebuild.context.ssh import SshAddress

KEY, KNOWN, OWN = Path("/keys/usual"), Path("/keys/known"), Path("/keys/own")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ssh://git@Git.Example.com/r.git", SshAddress("git.example.com")),
        ("ssh://git@git.example.com:2222/r.git", SshAddress("git.example.com", 2222)),
        ("ssh://git@[::1]:2222/r.git", SshAddress("::1", 2222)),
        ("git@Git.Example.com:team/r.git", SshAddress("git.example.com")),
        ("git@[::1]:r.git", SshAddress("::1")),
        ("https://git.example.com/r.git", None),
        ("file:///srv/r.git", None),
    ],
)
def test_a_url_says_which_host_of_ssh_is_asked(url: str, address: SshAddress | None) -> None:
    assert SshAddress.of(url) == address


def test_what_a_host_has_of_its_own_goes_before_what_is_usual() -> None:
    hosts = SshHosts(SshFiles(KEY, KNOWN), {"git.example.com": SshFiles(OWN)})

    assert hosts.of("Git.Example.com") == SshFiles(OWN, KNOWN)
    assert hosts.of("elsewhere.example.com") == SshFiles(KEY, KNOWN)


def test_a_stranger_is_given_no_key() -> None:
    hosts = SshHosts(SshFiles(KEY, KNOWN), {"git.example.com": SshFiles(OWN)}).without_keys()

    assert hosts.of("git.example.com") == hosts.of("other") == SshFiles(None, KNOWN)
