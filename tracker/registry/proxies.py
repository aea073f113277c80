"""Which proxy a request goes through. The caller says what the environment holds; this reads none of it."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping

import httpx

from rebuild.images.registry import RegistryRefused
from rebuild.secrets.web_url import is_loopback


def proxy_for(url: httpx.URL, proxies: Mapping[str, str]) -> httpx.Proxy | None:
    """`proxies` is what `urllib.request.getproxies_environment()` gives: by scheme, and `no`.

    Loopback is never asked through a proxy: its answer would come from another machine.
    """
    if not proxies or is_loopback(url.host):
        return None
    address = proxies.get(url.scheme) or proxies.get("all")
    if address is None or urllib.request.proxy_bypass(url.netloc.decode(), proxies):
        return None
    try:
        return _read(address)
    except (httpx.InvalidURL, ValueError):  # it may hold a password, so it is not shown
        raise RegistryRefused(
            f"the proxy for {url.scheme} is not a URL that begins with http:// or https://",
            hint=f"correct {url.scheme}_proxy in the environment",
        ) from None


def _read(address: str) -> httpx.Proxy:
    proxy = httpx.Proxy(address)
    if proxy.url.scheme not in ("http", "https") or not proxy.url.host:
        raise ValueError(proxy.url.scheme)
    return proxy
