"""Alias sources over https: from a real TLS server on loopback, which the rules allow only here."""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from graph.errors import WrongUse
from rebuild.alias_rules import FetchRules
from rebuild.aliases import SourceUnavailable, fetch_source
from rebuild.aliases.fetching import is_public

HERE = FetchRules(private_addresses=True, timeout_s=60)


class _Site(ThreadingHTTPServer):
    released: threading.Event
    seen: list[dict[str, str]]


class _Answers(BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        self.server.seen.append({**self.headers, "path": self.path})
        away = {"/away": "/good", "/round": "/round", "/plain": "http://localhost/good"}.get(self.path)
        self.send_response(302 if away else 404 if self.path == "/none" else 200)
        if away:
            self.send_header("Location", away)
        self.end_headers()
        try:
            while self.path == "/slow" and not self.server.released.wait(0.05):
                self.wfile.write(b"#")
            bodies = {"/large": b"#" * (2 << 20), "/none": b"there is\nno such file"}
            self.wfile.write(bodies.get(self.path, b"a: x\n"))
        except OSError:  # the reader has gone
            return

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost with its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, "-keyout", path, "-out", path],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[_Site]:
    server = _Site(("127.0.0.1", 0), _Answers)
    server.released, server.seen = threading.Event(), []
    speaks_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    speaks_tls.load_cert_chain(certificate)
    server.socket = speaks_tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(server: _Site, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return f"https://localhost:{server.server_port}"


def test_a_url_gives_its_body(site: str) -> None:
    assert fetch_source(f"{site}/good", HERE) == b"a: x\n"


def test_a_redirect_to_https_is_followed(site: str) -> None:
    assert fetch_source(f"{site}/away", HERE) == b"a: x\n"


def test_nothing_but_the_question_is_sent(
    site: str, server: _Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    fetch_source(f"{site}/good", HERE)

    assert server.seen == [
        {
            "Host": site.removeprefix("https://"),
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "keep-alive",
            "User-Agent": "tracker",
            "path": "/good",
        }
    ]


@pytest.mark.parametrize(
    ("path", "timeout_s", "message"),
    [
        ("/none", 60, "status 404: there is no such file"),
        ("/round", 60, "it redirects more than 5 times"),
        ("/slow", 1, "it takes longer than 1 s"),
    ],
)
def test_a_url_that_does_not_answer_well_is_an_error_that_names_it(
    site: str, path: str, timeout_s: float, message: str
) -> None:
    with pytest.raises(SourceUnavailable, match=message) as caught:
        fetch_source(f"{site}{path}", FetchRules(private_addresses=True, timeout_s=timeout_s))

    assert f"{site}{path}" in caught.value.message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/large", "has more than 1,048,576 bytes"),
        ("/plain", "'http://localhost/good' is not encrypted on its way"),
    ],
)
def test_a_url_that_leads_past_the_rules_is_refused(site: str, path: str, message: str) -> None:
    with pytest.raises(WrongUse, match=message):
        fetch_source(f"{site}{path}", HERE)


def test_a_private_address_is_refused_unless_the_operator_allows_it(site: str, server: _Site) -> None:
    with pytest.raises(WrongUse, match=r"is at .*, a private address") as caught:
        fetch_source(f"{site}/good", FetchRules(timeout_s=60))

    assert caught.value.hint is not None and "private_addresses = true" in caught.value.hint
    assert server.seen == []


def test_a_certificate_that_nobody_vouches_for_is_refused(server: _Site) -> None:
    with pytest.raises(SourceUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        fetch_source(f"https://localhost:{server.server_port}/good", HERE)


def test_a_certificate_of_another_name_is_refused(site: str) -> None:
    with pytest.raises(SourceUnavailable, match="IP address mismatch"):
        fetch_source(f"{site.replace('localhost', '127.0.0.1')}/good", HERE)


def test_a_host_that_nobody_is_at_is_an_error_that_names_the_url() -> None:
    with pytest.raises(SourceUnavailable, match=r"'https://127\.0\.0\.1:1/x' cannot be fetched: .*refused"):
        fetch_source("https://127.0.0.1:1/x", HERE)


def test_a_login_in_a_url_is_neither_sent_nor_shown(site: str, server: _Site) -> None:
    with pytest.raises(WrongUse, match="has a login in it") as caught:
        fetch_source(f"{site}/good".replace("https://", "https://me:secret@"), HERE)

    assert "secret" not in caught.value.message
    assert server.seen == []


@pytest.mark.parametrize("url", ["https://", "https://h:x/", "https://h:99999/x", "https:///x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(WrongUse, match="alias source"):
        fetch_source(url, HERE)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"]
)
def test_an_address_of_the_world_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe",
    ],
)  # fmt: skip
def test_an_address_that_only_some_reach_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
