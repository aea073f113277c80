"""From the URL of a repository to where its forge's API has it. Asks nobody."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

from graph.errors import TrackerError
from graph.record import dataclass
from tracker.forges.kind import ForgeKind, kind_of_host

_SCP = re.compile(r"(?:[^@/:\s]+@)?(?P<host>\[[0-9a-fA-F:]+\]|[^:/@\s\[\]]+):(?P<path>(?!//).+)", re.DOTALL)
_SUFFIXES = {
    ForgeKind.GITHUB: "/api/v3",
    ForgeKind.GITLAB: "/api/v4",
    ForgeKind.GITEA: "/api/v1",
    ForgeKind.BITBUCKET: "/2.0",
    ForgeKind.BITBUCKET_SERVER: "/rest/api/latest",
    ForgeKind.AZURE: "",
}
_APIS = {
    (ForgeKind.GITHUB, "github.com"): "https://api.github.com",
    (ForgeKind.BITBUCKET, "bitbucket.org"): "https://api.bitbucket.org/2.0",
}
_SSH_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}


class NoForge(TrackerError):
    """The repository lies where no API is known."""


@dataclass(frozen=True, slots=True)
class Place:
    """A repository's host as settings name it, the page that it begins at, and its path there."""

    host: str
    web: str  # scheme, host and port
    path: str

    @classmethod
    def of(cls, url: str) -> Place | None:
        """None for a URL without a host: a folder."""
        if "://" not in url:
            found = _SCP.fullmatch(url)
            return cls._by_ssh(found["host"], found["path"]) if found else None
        parts = urlsplit(url)
        if not parts.hostname:
            return None
        path = unquote(parts.path)
        if parts.scheme in ("http", "https"):
            netloc = parts.netloc.rpartition("@")[2].lower()
            return cls(netloc, f"{parts.scheme}://{netloc}", _plain(path))
        return cls._by_ssh(parts.hostname, path)

    @classmethod
    def _by_ssh(cls, host: str, path: str) -> Place:
        host = host.lower()
        host = _SSH_HOSTS.get(host, host)
        return cls(host, f"https://{host}", _plain(path))

    @property
    def bare_host(self) -> str:
        """Without a port."""
        return urlsplit(self.web).hostname or ""


@dataclass(frozen=True, slots=True)
class Address:
    """A repository in the API of its forge. `names` are the parts of its path there, the last its own."""

    kind: ForgeKind
    host: str
    api: str
    names: tuple[str, ...]
    web: str  # the page of the repository

    @property
    def owner(self) -> str:
        return quote(self.names[0], safe="~")

    @property
    def name(self) -> str:
        return quote(self.names[-1], safe="")

    @property
    def whole(self) -> str:
        """All of the path as one part of another: what GitLab takes for the number of a project."""
        return quote("/".join(self.names), safe="")


def address_of(place: Place, *, kind: ForgeKind | None = None, api: str | None = None) -> Address:
    """Where the API has the repository; `kind` and `api` where they are known better than by its name.

    Raises `NoForge`.
    """
    host = place.bare_host
    kind = kind or kind_of_host(host)
    if kind is None or kind is ForgeKind.NONE:
        what = "is not known" if kind is None else "has no API, as the settings say"
        raise NoForge(
            f"what kind of forge {place.host} is {what}" if kind is None else f"{place.host} {what}",
            hint=f'name its kind in the settings: [forges."{place.host}"] kind = "gitea", say',
        )
    if kind is ForgeKind.AZURE:
        return _azure(place, api)
    base = api or _APIS.get((kind, host)) or f"{place.web}{_SUFFIXES[kind]}"
    root = urlsplit(base).path.removesuffix(_SUFFIXES[kind]).strip("/")
    inside = place.path.removeprefix(f"{root}/") if root else place.path
    if kind is ForgeKind.BITBUCKET_SERVER:
        inside = inside.removeprefix("scm/")
    names = tuple(inside.split("/"))
    is_fit = len(names) >= 2 if kind is ForgeKind.GITLAB else len(names) == 2
    if not is_fit or not all(names):
        raise NoForge(
            f"{place.web}/{place.path} is not the path of a repository of {kind}: OWNER/NAME",
            hint=f'set [forges."{place.host}"] api where its API does not begin at the usual place',
        )
    return Address(kind, place.host, base, names, f"{place.web}/{place.path}")


def _azure(place: Place, api: str | None) -> Address:
    """The forms: dev.azure.com/ORG/PROJECT/_git/NAME, ORG.visualstudio.com/PROJECT/_git/NAME, v3 by ssh."""
    host = place.bare_host
    names = [part for part in place.path.split("/") if part not in ("_git", "_ssh", "DefaultCollection")]
    if names and re.fullmatch(r"v\d", names[0]):
        names = names[1:]
    elif host.endswith(".visualstudio.com") and not host.startswith("vs-ssh."):
        names = [host.removesuffix(".visualstudio.com"), *names]
    if len(names) == 2:  # the repository that has the name of its project
        names = [*names, names[1]]
    if len(names) != 3:
        raise NoForge(f"{place.web}/{place.path} is not the path of a repository of Azure Repos")
    base = api or "https://dev.azure.com"
    web = f"{base}/{quote(names[0])}/{quote(names[1])}/_git/{quote(names[2])}"
    return Address(ForgeKind.AZURE, place.host, base, tuple(names), web)


def _plain(path: str) -> str:
    return "/".join(part for part in path.split("/") if part).removesuffix(".git")
