"""Opens connections to a service: unix socket, TCP or TLS, through a proxy where one is set."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from graph.errors import WrongUse
from tracker.remote.address import Address, UnixAddress, WebAddress, connect

if TYPE_CHECKING:
    import ssl

CONNECT_S = 10.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = connect(self._path, timeout_s=self.timeout or CONNECT_S)


def open_connection(
    address: Address,
    *,
    timeout_s: float,
    ca_file: Path | None = None,
) -> http.client.HTTPConnection:
    """A connection that is made at its first request. `timeout_s` is the longest silence."""
    match address:
        case UnixAddress(path=path):
            return UnixConnection(path, timeout_s=timeout_s)
        case WebAddress():
            return _web(address, timeout_s, ca_file)


def _web(address: WebAddress, timeout_s: float, ca_file: Path | None) -> http.client.HTTPConnection:
    proxy = _proxy_of(address)
    host, port = proxy or (address.host, address.port)
    if address.tls:
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout_s, context=_trusting(ca_file)
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    if proxy:
        connection.set_tunnel(address.host, address.port)
    return connection


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, and those of the file besides."""
    import ssl

    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise WrongUse(f"--ca-file {ca_file}: {error}", hint="name a PEM file of certificates") from None
    return context


def _proxy_of(address: WebAddress) -> tuple[str, int] | None:
    """As the usual variables say; never for this machine."""
    import urllib.request

    if address.is_loopback or urllib.request.proxy_bypass(address.host):
        return None
    url = urllib.request.getproxies_environment().get("https" if address.tls else "http")
    if not url:
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname or parts.username:
        raise WrongUse(f"the proxy for {address} is none that can be used", hint="write http://HOST:PORT")
    return parts.hostname, parts.port or 80
