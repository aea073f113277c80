"""The kinds of git forges, and which one a host is likely to be. Asks nobody."""

from __future__ import annotations

from enum import StrEnum

from rebuild.sources.event import Provider


class ForgeKind(StrEnum):
    """Whose API a git server has."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"  # and Forgejo
    BITBUCKET = "bitbucket"  # the cloud
    BITBUCKET_SERVER = "bitbucket-server"  # Data Center
    AZURE = "azure"  # Azure Repos
    NONE = "none"  # a git server and nothing more


_HOSTS = {
    "github.com": ForgeKind.GITHUB,
    "gitlab.com": ForgeKind.GITLAB,
    "codeberg.org": ForgeKind.GITEA,
    "bitbucket.org": ForgeKind.BITBUCKET,
    "dev.azure.com": ForgeKind.AZURE,
}
_FIRST_WORDS = {
    "github": ForgeKind.GITHUB,
    "gitlab": ForgeKind.GITLAB,
    "gitea": ForgeKind.GITEA,
    "forgejo": ForgeKind.GITEA,
    "bitbucket": ForgeKind.BITBUCKET_SERVER,
}
_TOLD = {
    Provider.GITHUB: ForgeKind.GITHUB,
    Provider.GITLAB: ForgeKind.GITLAB,
    Provider.GITEA: ForgeKind.GITEA,
    Provider.BITBUCKET: ForgeKind.BITBUCKET_SERVER,
    Provider.AZURE: ForgeKind.AZURE,
}


def kind_of_host(host: str) -> ForgeKind | None:
    """What a host without a port is by its name alone; None where that says nothing."""
    if host.endswith((".visualstudio.com", ".dev.azure.com")):
        return ForgeKind.AZURE
    return _HOSTS.get(host) or _FIRST_WORDS.get(host.partition(".")[0])


def kind_of_provider(provider: str) -> ForgeKind | None:
    """What a host is that has sent webhooks of that provider; None where they are of no forge."""
    try:
        return _TOLD.get(Provider(provider))
    except ValueError:
        return None
