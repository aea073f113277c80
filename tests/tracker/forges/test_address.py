"""Where the API of each forge has a repository, by the URL that it is cloned from."""

from __future__ import annotations

import pytest

from tracker.forges.address import NoForge, Place, address_of
from tracker.forges.kind import ForgeKind


def place(url: str) -> Place:
    found = Place.of(url)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("url", "kind", "api", "names"),
    [
        ("https://github.com/team/shop.git", "github", "https://api.github.com", "team shop"),
        ("git@github.com:team/shop.git", "github", "https://api.github.com", "team shop"),
        ("ssh://git@ssh.github.com:443/team/shop.git", "github", "https://api.github.com", "team shop"),
        ("https://github.acme.test/team/shop", "github", "https://github.acme.test/api/v3", "team shop"),
        ("https://gitlab.com/a/b/shop.git", "gitlab", "https://gitlab.com/api/v4", "a b shop"),
        ("https://codeberg.org/team/shop.git", "gitea", "https://codeberg.org/api/v1", "team shop"),
        ("http://gitea.test:3000/team/shop.git", "gitea", "http://gitea.test:3000/api/v1", "team shop"),
        ("https://bitbucket.org/team/shop.git", "bitbucket", "https://api.bitbucket.org/2.0", "team shop"),
        (
            "https://bitbucket.acme.test/scm/TEAM/shop.git", "bitbucket-server",
            "https://bitbucket.acme.test/rest/api/latest", "TEAM shop",
        ),
        ("https://dev.azure.com/org/proj/_git/shop", "azure", "https://dev.azure.com", "org proj shop"),
        ("https://org@dev.azure.com/org/proj/_git/shop", "azure", "https://dev.azure.com", "org proj shop"),
        ("https://org.visualstudio.com/proj/_git/shop", "azure", "https://dev.azure.com", "org proj shop"),
        ("https://org.visualstudio.com/_git/shop", "azure", "https://dev.azure.com", "org shop shop"),
        ("git@ssh.dev.azure.com:v3/org/proj/shop", "azure", "https://dev.azure.com", "org proj shop"),
        ("org@vs-ssh.visualstudio.com:v3/org/proj/shop", "azure", "https://dev.azure.com", "org proj shop"),
    ],
)  # fmt: skip
def test_a_repository_is_found_in_the_api_of_its_forge(url: str, kind: str, api: str, names: str) -> None:
    at = address_of(place(url))

    assert (at.kind, at.api, " ".join(at.names)) == (kind, api, names)


def test_an_api_below_a_folder_leaves_that_folder_out_of_the_path() -> None:
    url = "https://acme.test/gitlab/group/shop.git"

    at = address_of(place(url), kind=ForgeKind.GITLAB, api="https://acme.test/gitlab/api/v4")

    assert at.whole == "group%2Fshop"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://git.acme.test/team/shop.git", None),
        ("https://git.acme.test/team/shop.git", ForgeKind.NONE),
        ("https://github.com/shop.git", None),
        ("https://github.com/a/b/shop.git", None),
        ("https://dev.azure.com/org", None),
    ],
)
def test_what_is_nowhere_is_told_with_a_way_out(url: str, kind: ForgeKind | None) -> None:
    with pytest.raises(NoForge):
        address_of(place(url), kind=kind)


def test_an_unknown_host_is_told_with_the_setting_that_names_its_kind() -> None:
    with pytest.raises(NoForge) as told:
        address_of(place("https://git.acme.test:8443/team/shop.git"))

    assert told.value.hint and '[forges."git.acme.test:8443"] kind' in told.value.hint


def test_a_folder_is_on_no_forge() -> None:
    assert Place.of("file:///srv/shop.git") is None


def test_names_that_are_no_names_stay_one_part_of_the_path() -> None:
    at = address_of(place("https://github.com/a%2Fb%3F/sh%20op%23.git"), kind=ForgeKind.GITLAB)

    assert at.whole == "a%2Fb%3F%2Fsh%20op%23"
