"""How contexts are reached that not everybody may have: registries by login, hosts of ssh by key. Reads none.

Light: to say what a run may use should not cost the import of an HTTP client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from pathlib import Path

from graph.record import dataclass
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """How one registry is reached, and as whom: by a login, or by a token of its token server."""

    login: Login | None = None
    identity_token: Secret | None = None
    plain_http: bool = False
    ca_file: Path | None = None  # PEM, trusted instead of the system's


FindRegistry = Callable[[str], Awaitable[RegistryAccess]]  # by the host as references name it


async def without_login(registry: str) -> RegistryAccess:
    """For whom nobody vouches."""
    return RegistryAccess()


@dataclass(frozen=True, slots=True)
class SshFiles:
    """A key for ssh, and who the hosts are; None for what is not said."""

    key_file: Path | None = None
    known_hosts: Path | None = None


@dataclass(frozen=True, slots=True)
class SshHosts:
    """What is used with every host of ssh, and what with single ones in its place, by name without port."""

    usual: SshFiles = SshFiles()
    hosts: Mapping[str, SshFiles] = field(default_factory=dict)

    def of(self, host: str) -> SshFiles:
        own = self.hosts.get(host.lower(), SshFiles())
        return SshFiles(own.key_file or self.usual.key_file, own.known_hosts or self.usual.known_hosts)

    def without_keys(self) -> SshHosts:
        """Who the hosts are is no secret."""
        hosts = {host: SshFiles(None, files.known_hosts) for host, files in self.hosts.items()}
        return SshHosts(SshFiles(None, self.usual.known_hosts), hosts)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a run may use to fetch contexts, besides what was given for one context alone."""

    find_registry: FindRegistry = without_login
    ssh: SshHosts = SshHosts()
