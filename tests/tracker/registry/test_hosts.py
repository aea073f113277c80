"""Where a registry is asked, and where credentials may go."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from rebuild.images.registry import RegistryRefused
from tracker.registry import RegistrySettings
from tracker.registry.hosts import base_url, check_realm, may_redirect, pace, same_origin
from tracker.registry.proxies import proxy_for

DEFAULT = RegistrySettings()


@pytest.mark.parametrize(
    ("registry", "settings", "expected"),
    [
        ("docker.io", DEFAULT, "https://registry-1.docker.io"),
        ("ghcr.io", DEFAULT, "https://ghcr.io"),
        ("localhost:5000", DEFAULT, "http://localhost:5000"),
        ("127.0.0.1:5000", DEFAULT, "http://127.0.0.1:5000"),
        ("[::1]:5000", DEFAULT, "http://[::1]:5000"),
        ("localhost.example.com", DEFAULT, "https://localhost.example.com"),
        ("127.example.com", DEFAULT, "https://127.example.com"),
        ("10.0.0.1:5000", DEFAULT, "https://10.0.0.1:5000"),
        ("10.0.0.1:5000", RegistrySettings(insecure=True), "http://10.0.0.1:5000"),
        ("localhost:5000", RegistrySettings(insecure=False), "https://localhost:5000"),
        ("localhost:5000", RegistrySettings(ca_file=Path("/ca.pem")), "https://localhost:5000"),
    ],
)
def test_plain_http_is_for_loopback_or_by_setting(
    registry: str, settings: RegistrySettings, expected: str
) -> None:
    assert base_url(registry, settings) == expected


@pytest.mark.parametrize(
    ("registry", "realm", "settings"),
    [
        ("ghcr.io", "https://ghcr.io/token", DEFAULT),
        ("docker.io", "https://auth.docker.io/token?a=b", DEFAULT),
        ("localhost:5000", "http://127.0.0.1:5001/token", DEFAULT),
        ("10.0.0.1:5000", "http://10.0.0.1/token", RegistrySettings(insecure=True)),
    ],
)
def test_a_token_server_is_taken_over_tls_on_this_machine_or_by_setting(
    registry: str, realm: str, settings: RegistrySettings
) -> None:
    assert str(check_realm(registry, realm, settings)) == realm


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("ghcr.io", "http://ghcr.io/token"),
        ("ghcr.io", "http://localhost/token"),
        ("localhost:5000", "http://tokens.example.com/"),
        ("ghcr.io", "https://user:password@ghcr.io/token"),
        ("ghcr.io", "file:///etc/passwd"),
        ("ghcr.io", "/token"),
        ("ghcr.io", "https://"),
        ("ghcr.io", "https://[::bad"),
        ("ghcr.io", ""),
    ],
)
def test_any_other_token_server_is_refused(registry: str, realm: str) -> None:
    with pytest.raises(RegistryRefused, match=f"{registry}: its token server"):
        check_realm(registry, realm, DEFAULT)


@pytest.mark.parametrize(
    ("source", "target", "allowed"),
    [
        ("https://a/x", "https://b/y", True),
        ("http://a/x", "http://b/y", True),
        ("http://a/x", "https://b/y", True),
        ("https://a/x", "http://a/x", False),
        ("http://a/x", "ftp://a/x", False),
        ("https://a/x", "data:,x", False),
    ],
)
def test_a_redirect_never_leaves_tls(source: str, target: str, allowed: bool) -> None:
    assert may_redirect(httpx.URL(source), httpx.URL(target)) is allowed


@pytest.mark.parametrize(
    ("other", "same"),
    [("https://a:443/y", True), ("https://A/y", True), ("https://a:444/", False), ("http://a/", False)],
)
def test_an_origin_is_scheme_host_and_port(other: str, same: bool) -> None:
    assert same_origin(httpx.URL("https://a/x"), httpx.URL(other)) is same


@pytest.mark.parametrize(
    ("registry", "settings", "per_minute"),
    [
        ("docker.io", DEFAULT, 300),
        ("docker.io", RegistrySettings(connections=4), 300),
        ("docker.io", RegistrySettings(requests_per_minute=60), 60),
        ("ghcr.io", DEFAULT, None),
    ],
)
def test_docker_hub_has_a_pace_of_its_own_until_another_is_set(
    registry: str, settings: RegistrySettings, per_minute: int | None
) -> None:
    assert pace(registry, settings) == per_minute


PROXIES = {
    "http": "http://proxy:3128",
    "https": "http://u:p@proxy:3129",
    "no": "internal.example.com,10.0.0.1",
}


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://ghcr.io/v2/", "http://proxy:3129"),
        ("http://ghcr.io/v2/", "http://proxy:3128"),
        ("https://internal.example.com/v2/", None),
        ("https://a.internal.example.com:5000/v2/", None),
        ("https://10.0.0.1:5000/v2/", None),
        ("http://localhost:5000/v2/", None),
        ("http://[::1]:5000/v2/", None),
    ],
)
def test_a_proxy_is_used_except_for_loopback_and_what_is_excluded(url: str, proxy: str | None) -> None:
    found = proxy_for(httpx.URL(url), PROXIES)

    assert (None if found is None else str(found.url)) == proxy


@pytest.mark.parametrize("address", ["socks5h:hunter2", "http://[::hunter2"])
def test_a_proxy_that_is_no_url_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(RegistryRefused, match="not a URL") as refusal:
        proxy_for(httpx.URL("https://ghcr.io"), {"https": address})

    assert "hunter2" not in f"{refusal.value}{refusal.value.hint}"
