"""How contexts are reached with what settings and credentials say. Opens no file, and asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from graph.record import dataclass
from rebuild.context.reach import Reach, RegistryAccess, SshHosts
from tracker.registry import Credentials, IdentityToken, Login, RegistrySettings
from tracker.registry.hosts import speaks_plain_http


@dataclass(frozen=True, slots=True)
class Reaching:
    """What the settings say of registries and of hosts of ssh."""

    registries: Mapping[str, RegistrySettings]
    ssh: SshHosts

    def as_whom(self, credentials: Credentials) -> Reach:
        """For runs that have these credentials, and the operator's keys."""

        async def find(registry: str) -> RegistryAccess:
            """Raises `CredentialsError`."""
            settings = self.registries.get(registry, RegistrySettings())
            plain = speaks_plain_http(registry, settings)
            match await credentials.find(registry):
                case Login() as login:
                    return RegistryAccess(login, None, plain, settings.ca_file)
                case IdentityToken(token=token):
                    return RegistryAccess(None, token, plain, settings.ca_file)
                case None:
                    return RegistryAccess(None, None, plain, settings.ca_file)
                case other:
                    assert_never(other)

        return Reach(find, self.ssh)

    def as_nobody(self, nobody: Credentials) -> Reach:
        """For what a stranger proposes: no key either."""
        return Reach(self.as_whom(nobody).find_registry, self.ssh.without_keys())
