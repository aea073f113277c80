"""Where a registry is asked and over what: addresses as pure functions of name and settings."""

from __future__ import annotations

import httpx

from graph.reference import DEFAULT_REGISTRY
from rebuild.images.registry import RegistryRefused
from rebuild.secrets.web_url import is_loopback
from tracker.registry.settings import RegistrySettings

# Docker Hub's limit on requests is unpublished and per address; this pace is known to be welcome.
HUB_REQUESTS_PER_MINUTE = 300
_ASKED_AT = {DEFAULT_REGISTRY: "registry-1.docker.io"}


def base_url(registry: str, settings: RegistrySettings) -> str:
    """Scheme and host under which the registry's API lies, without a slash at the end."""
    scheme = "http" if speaks_plain_http(registry, settings) else "https"
    return f"{scheme}://{_ASKED_AT.get(registry, registry)}"


def pace(registry: str, settings: RegistrySettings) -> int | None:
    """Requests a minute, None for as many as it answers."""
    if settings.requests_per_minute is None and registry == DEFAULT_REGISTRY:
        return HUB_REQUESTS_PER_MINUTE
    return settings.requests_per_minute


def speaks_plain_http(registry: str, settings: RegistrySettings) -> bool:
    """By setting; where there is none, loopback hosts without a CA file of their own."""
    if settings.insecure is not None:
        return settings.insecure
    return settings.ca_file is None and is_loopback(httpx.URL(f"http://{registry}").host)


def tls_hint(registry: str) -> str:
    """What to do where a registry cannot be talked to in plain http."""
    return f"if {registry} speaks TLS, set its ca_file, or insecure = false"


def check_realm(registry: str, realm: str, settings: RegistrySettings) -> httpx.URL:
    """The token server's address, if credentials may go there; else `RegistryRefused`.

    A registry names its token server itself, so one that speaks plain http could be made to
    name a stranger's: without TLS the token server has to be on this machine too.
    """
    try:
        url = httpx.URL(realm)
    except httpx.InvalidURL:
        raise RegistryRefused(f"{registry}: its token server {realm[:200]!r} is not a URL") from None
    if not url.host or url.userinfo or url.scheme not in ("https", "http"):
        raise RegistryRefused(f"{registry}: its token server {realm[:200]!r} is not a plain https URL")
    plain_allowed = settings.insecure is True or (
        speaks_plain_http(registry, settings) and is_loopback(url.host)
    )
    if url.scheme == "http" and not plain_allowed:
        raise RegistryRefused(
            f"{registry}: its token server {url.host} speaks plain http; credentials go over TLS only",
            hint=f"set insecure = true for {registry} if that network can be trusted",
        )
    return url.copy_with(fragment=None)


def may_redirect(source: httpx.URL, target: httpx.URL) -> bool:
    """A redirect may change the host, never leave TLS."""
    return bool(target.host) and (
        target.scheme == "https" or (target.scheme == "http" and source.scheme == "http")
    )


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """httpx drops a scheme's default port when it parses, so ports compare as they are."""
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)
