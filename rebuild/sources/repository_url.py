"""Whether two URLs are of the same repository, however each is written. Asks nobody."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from graph.record import dataclass

URL_MOST = 4096
_SCP = re.compile(r"(?:[^@/:\s]+@)?(?P<host>\[[0-9a-fA-F:]+\]|[^:/@\s\[\]]+):(?P<path>(?!//).+)", re.DOTALL)
_PORTS = {"http": 80, "https": 443, "git": 9418}
_SSH_OVER_HTTPS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
_AZURE = "dev.azure.com"


@dataclass(frozen=True, slots=True)
class Repository:
    """Where a repository is. `port` is None for the usual one; `any_port` where the URL is one for ssh,
    whose port says nothing of the port of the same host's web pages."""

    host: str
    path: str
    port: int | None = None
    any_port: bool = False

    @property
    def key(self) -> str:
        """What all of its URLs have in common. It is stored: another form of it takes a migration."""
        return f"{self.host}/{self.path}"

    def is_same(self, other: Repository) -> bool:
        ports_fit = self.any_port or other.any_port or self.port == other.port
        return (self.host, self.path) == (other.host, other.path) and ports_fit


@lru_cache(maxsize=16_384)
def repository(url: str) -> Repository | None:
    """The repository of a URL that can be cloned; None for what is no such URL.

    Forges take no notice of the case of names, so that neither do we: at worst a commit is looked for in
    a repository that does not have it.
    """
    if len(url) > URL_MOST or any(ord(c) < 32 or ord(c) == 127 for c in url):
        return None
    url = url.partition("#")[0].strip()
    if "://" not in url:
        found = _SCP.fullmatch(url)
        return _named(found["host"], found["path"], None, is_ssh=True) if found else None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme == "file":
        return Repository("", f"file:{_plain(parts.path)}")
    if scheme not in ("http", "https", "git", "ssh", "git+ssh"):
        return None
    usual = port is None or port == _PORTS.get(scheme)
    return _named(parts.hostname or "", parts.path, None if usual else port, is_ssh="ssh" in scheme)


def key_of(url: str) -> str | None:
    """The key of the repository of a URL; None for what is no such URL."""
    named = repository(url)
    return named.key if named else None


def is_same_repository(url: str, other: str) -> bool:
    """Whether both are URLs of one repository."""
    first, second = repository(url), repository(other)
    return first is not None and second is not None and first.is_same(second)


def _named(host: str, path: str, port: int | None, *, is_ssh: bool) -> Repository | None:
    host = host.lower().rstrip(".").strip("[]")
    name = _plain(path).casefold()
    if not host or not name:
        return None
    if host == _AZURE or host.endswith((".dev.azure.com", ".visualstudio.com")):
        return Repository(_AZURE, _azure_path(host, name))
    if name.startswith("scm/") and name.count("/") >= 2 and not is_ssh:
        name = name.removeprefix("scm/")  # Bitbucket's own server says it in web URLs alone
    return Repository(_SSH_OVER_HTTPS.get(host, host), name, port, any_port=is_ssh)


def _plain(path: str) -> str:
    """Without empty parts, `.git` at its end and percent signs."""
    parts = [part for part in unquote(path).split("/") if part]
    return "/".join(parts).removesuffix(".git")


def _azure_path(host: str, name: str) -> str:
    """`organisation/project/repository` out of any form of Azure Repos."""
    parts = [part for part in name.split("/") if part not in ("_git", "defaultcollection", "_ssh")]
    if host.endswith("ssh.dev.azure.com") or host == "vs-ssh.visualstudio.com":
        parts = parts[1:] if parts and re.fullmatch(r"v\d", parts[0]) else parts
    elif host.endswith(".visualstudio.com"):
        parts = [host.removesuffix(".visualstudio.com"), *parts]
    if len(parts) == 2:  # the repository that has the name of its project
        parts = [*parts, parts[1]]
    return "/".join(parts)
