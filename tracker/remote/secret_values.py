"""Secrets on their way to a service: values for one run are read here, sources of a task stay sources."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from rebuild.secret_source import FromVault, Opaque, Source


def values_of(sources: Mapping[str, Source]) -> dict[str, str]:
    """By name, in the clear: for the body of a request and nothing else. Raises `SecretUnavailable`."""
    if not sources:
        return {}
    return asyncio.run(_read(sources))


async def _read(sources: Mapping[str, Source]) -> dict[str, str]:
    from rebuild.secret_reader import Places, read_secrets

    vault = None
    if any(isinstance(source, FromVault) for source in sources.values()):
        from tracker.equipping import VaultOfEnvironment

        vault = VaultOfEnvironment(os.environ)
    try:
        found = await read_secrets(sources, Places.of_user(os.environ, vault=vault))
    finally:
        if vault is not None:
            await vault.close()
    return {name: secret.reveal() for name, secret in found.items()}


def kept_with_task(sources: Mapping[str, Source]) -> dict[str, dict[str, str]]:
    """The fields of a request that saves a task: values apart from sources that the service is to read."""
    opaque = {name: s.value.reveal() for name, s in sources.items() if isinstance(s, Opaque)}
    others = {name: str(s) for name, s in sources.items() if not isinstance(s, Opaque)}
    return {"secrets": opaque, "secret_sources": others}
