"""Secrets on their way to a service: values for one run are read here, sources of a task stay sources."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from rebuild.secrets.context_secrets import Sources as ContextSources
from rebuild.secrets.secret_source import FromVault, Opaque, Source
from rebuild.secrets.task_secrets import SecretUse

_FIELDS = {
    SecretUse.GIT: "git_access_token",
    SecretUse.SSH: "git_ssh_key",
    SecretUse.QUERY: "context_query",
}


def values_of(sources: Mapping[str, Source]) -> dict[str, str]:
    """By name, in the clear: for the body of a request and nothing else. Raises `SecretUnavailable`."""
    if not sources:
        return {}
    return asyncio.run(_read(sources))


def opening_json(sources: ContextSources) -> dict[str, str]:
    """The fields of a request that hold the secrets of its context, in the clear."""
    found = values_of({str(use): source for use, source in sources.items()})
    return {_FIELDS[SecretUse(use)]: value for use, value in found.items()}


async def _read(sources: Mapping[str, Source]) -> dict[str, str]:
    from rebuild.secrets.secret_reader import Places, read_secrets

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
