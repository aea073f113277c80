"""The way to a service: certificates, tunnels, a path before the API, redirects. Real TLS throughout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from graph.errors import WrongUse
from rebuild.secrets.secret import Secret
from tests.tracker.remote.tls_service import Authority, serving, tunnelling
from tracker.remote.address import parse_address
from tracker.remote.client import Client, Refused, Unreachable
from tracker.remote.follow import Follower
from tracker.remote.service import ServerAsked
from tracker.remote.wire import Untrusted

ELSEWHERE = "tracker.test"  # no resolver knows it: only a proxy leads there
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Certificates:
    folder: Path
    ours: Authority

    def of(self, host: str, *, valid_days: int = 30) -> Path:
        return self.ours.certify(self.folder, host, valid_days=valid_days)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path, Authority.make(tmp_path, "ours"))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def client(url: str, ca_file: Path | None = None, token: str | None = "trk_x") -> Client:
    return Client(parse_address(url), Secret(token) if token else None, ca_file)


def test_a_service_whose_authority_is_named_is_asked_with_the_token(certificates: Certificates) -> None:
    with serving(certificates.of("localhost")) as service:
        client(f"https://localhost:{service.port}", certificates.ours.file).get("/service")

    assert service.seen == [("/api/v1/service", "Bearer trk_x")]


def test_the_usual_variable_of_openssl_names_authorities_too(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ours.file))
    with serving(certificates.of("localhost")) as service:
        client(f"https://localhost:{service.port}").get("/service")

    assert len(service.seen) == 1


@pytest.mark.parametrize(
    ("host", "valid_days", "is_known", "why", "way_out"),
    [
        ("localhost", 30, False, "is of no authority that is trusted here", "--ca-file"),
        ("localhost", -1, True, "has expired", "renewed"),
        ("other.test", 30, True, "is not for localhost", "as its certificate does"),
    ],
)
def test_who_cannot_show_that_it_is_the_service_gets_no_token(
    certificates: Certificates, host: str, valid_days: int, is_known: bool, why: str, way_out: str
) -> None:
    authority = certificates.ours.file if is_known else None
    with (
        serving(certificates.of(host, valid_days=valid_days)) as service,
        pytest.raises(Untrusted) as refused,
    ):
        client(f"https://localhost:{service.port}", authority).get("/service")

    assert f"the certificate of https://localhost:{service.port} {why}" in refused.value.message
    assert way_out in str(refused.value.hint)
    assert service.seen == []


def test_a_certificate_that_is_not_trusted_is_no_reason_to_try_for_ten_minutes(
    certificates: Certificates,
) -> None:
    waits: list[float] = []
    with serving(certificates.of("localhost")) as service:
        follower = Follower(
            client(f"https://localhost:{service.port}"), "a1", lambda piece: None, sleep=waits.append
        )
        with pytest.raises(Untrusted):
            follower.follow()

    assert waits == []


def test_a_port_without_tls_is_told_with_the_address_to_write() -> None:
    with serving() as service, pytest.raises(Untrusted) as refused:
        client(f"https://127.0.0.1:{service.port}/tracker").get("/service")

    assert "does not speak TLS" in refused.value.message
    assert f"http://127.0.0.1:{service.port}/tracker" in str(refused.value.hint)


def test_an_authority_that_is_no_certificate_is_refused_by_its_option(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    with pytest.raises(WrongUse, match=r"--ca-file .*ca\.pem"):
        client("https://localhost:1", tmp_path / "ca.pem").get("/service")


def test_a_path_before_the_api_is_kept(certificates: Certificates) -> None:
    with serving(certificates.of("localhost")) as service:
        client(f"https://localhost:{service.port}/tracker/", certificates.ours.file).get("/runs", top=1)

    assert service.seen == [("/tracker/api/v1/runs?top=1", "Bearer trk_x")]


def test_a_redirect_is_told_and_not_followed() -> None:
    with serving() as other, serving() as service:
        service.redirect = f"http://localhost:{other.port}/api/v1/service"
        with pytest.raises(Refused) as refused:
            client(f"http://127.0.0.1:{service.port}").get("/service")

    assert other.seen == []
    assert str(other.port) in refused.value.message
    assert "--server" in str(refused.value.hint)


def test_a_proxy_of_the_environment_gives_a_tunnel_and_sees_no_token(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(certificates.of(ELSEWHERE)) as service, tunnelling(service) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        client(f"https://{ELSEWHERE}", certificates.ours.file).get("/service")

    ((line, login),) = proxy.tunnels
    assert line.startswith(f"CONNECT {ELSEWHERE}:443 ")
    assert login == "Proxy-Authorization: Basic dXNlcjpwQHNz"
    assert service.seen == [("/api/v1/service", "Bearer trk_x")]


@pytest.mark.parametrize("url", [f"https://{ELSEWHERE}", "https://localhost:1", "https://127.0.0.1:1"])
def test_some_hosts_are_asked_without_the_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as service, tunnelling(service) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", f"example.com,{ELSEWHERE}")
        with pytest.raises(Unreachable):
            client(url).get("/service")

    assert proxy.tunnels == []


@pytest.mark.parametrize("proxy", ["socks5://user:secret@127.0.0.1:1", "http://user:secret@127.0.0.1:x"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(WrongUse) as refused:
        client(f"https://{ELSEWHERE}").get("/service")

    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "is_warned"),
    [("http://tracker.test:8484", True), ("http://127.0.0.1:8484", False), ("https://tracker.test", False)],
)
def test_a_token_that_others_can_read_along_is_warned_of(
    url: str, is_warned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACKER_TOKEN", "trk_x")

    ServerAsked(url).named()

    assert ("in the clear" in capsys.readouterr().err) is is_warned
