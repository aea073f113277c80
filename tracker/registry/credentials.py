"""Who we are to a registry, as values. Where credentials are kept is docker_config.py's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from graph.record import dataclass
from rebuild.images.registry import RegistryRefused
from rebuild.secrets.login import Login as Login
from rebuild.secrets.login import basic_header as basic_header
from rebuild.secrets.secret import Secret


class CredentialsError(RegistryRefused):
    """Credentials are configured and cannot be read: a broken file, a missing or failing program."""


class CredentialsRejected(RegistryRefused):
    """The registry does not take this user name and password; it is not asked again with them."""


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """An OAuth2 refresh token: exchanged at the token server, never sent to the registry."""

    token: Secret


Credential = Login | IdentityToken


class Credentials(Protocol):
    """A place that may know who we are to a registry."""

    async def find(self, registry: str) -> Credential | None:
        """None: ask that registry without a name. Raises `CredentialsError`."""


@dataclass(frozen=True, slots=True)
class FixedCredentials:
    """Credentials by registry host (`docker.io` for Docker Hub), given once."""

    by_registry: Mapping[str, Credential] = field(default_factory=dict)

    async def find(self, registry: str) -> Credential | None:
        return self.by_registry.get(registry)


@dataclass(frozen=True, slots=True)
class FirstOf:
    """Several places, asked in order; the first that knows the registry decides."""

    places: Sequence[Credentials]

    async def find(self, registry: str) -> Credential | None:
        for place in self.places:
            credential = await place.find(registry)
            if credential is not None:
                return credential
        return None
