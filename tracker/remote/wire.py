"""Opens connections to a service: unix socket, TCP or TLS, through a proxy where one is set."""

from __future__ import annotations

import base64
import http.client
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

from graph.errors import TrackerError, WrongUse
from graph.record import dataclass
from rebuild.secrets.secret import Secret
from tracker.remote.address import Address, UnixAddress, WebAddress, connect

CONNECT_S = 10.0
_EXPIRED, _NOT_YET, _OTHER_NAME = 10, 9, 62  # X509_V_ERR_… of OpenSSL


class Untrusted(TrackerError):
    """Whoever answers cannot show that it is the service. Asking again changes nothing."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where to ask for a tunnel."""

    host: str
    port: int
    login: Secret | None = None

    @property
    def headers(self) -> dict[str, str]:
        if self.login is None:
            return {}
        return {"Proxy-Authorization": f"Basic {base64.b64encode(self.login.reveal().encode()).decode()}"}


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


class TlsConnection(http.client.HTTPSConnection):
    """HTTP over TLS, whose refusals say what is wrong and what to do."""

    def __init__(self, address: WebAddress, host: str, port: int, *, timeout_s: float, trust: ssl.SSLContext):
        super().__init__(host, port, timeout=timeout_s, context=trust)
        self._address = address

    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(self._address, error) from error
        except ssl.SSLError as error:
            if error.reason not in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
                raise
            plain = f"http://{self._address.host}:{self._address.port}{self._address.prefix}"
            raise Untrusted(
                f"{self._address} does not speak TLS", hint=f"if it is meant to be so, write {plain}"
            ) from error


def _web(address: WebAddress, timeout_s: float, ca_file: Path | None) -> http.client.HTTPConnection:
    proxy = proxy_of(address)
    host, port = (proxy.host, proxy.port) if proxy else (address.host, address.port)
    if address.tls:
        connection: http.client.HTTPConnection = TlsConnection(
            address, host, port, timeout_s=timeout_s, trust=_trusting(ca_file)
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    if proxy:
        connection.set_tunnel(address.host, address.port, proxy.headers)
    return connection


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, or those of $SSL_CERT_FILE; and those of the file besides."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise WrongUse(f"--ca-file {ca_file}: {error}", hint="name a PEM file of certificates") from None
    return context


def _untrusted(address: WebAddress, error: ssl.SSLCertVerificationError) -> Untrusted:
    match error.verify_code:
        case code if code in (_EXPIRED, _NOT_YET):
            why = "has expired" if code == _EXPIRED else "is not valid yet"
            hint = "have it renewed there; if it is not old, see whether the clock here is right"
        case code if code == _OTHER_NAME or "Hostname mismatch" in str(error):
            why = f"is not for {address.host}"
            hint = "name the service as its certificate does"
        case _:
            why = f"is of no authority that is trusted here ({error.verify_message})"
            hint = "name the file of its authority with --ca-file or TRACKER_CA_FILE"
    return Untrusted(f"the certificate of {address} {why}", hint=hint)


def proxy_of(address: WebAddress) -> Proxy | None:
    """As the usual variables say; never for this machine. Raises `WrongUse`."""
    if address.is_loopback:
        return None
    import urllib.request  # takes longer to load than a service of this machine to answer

    if urllib.request.proxy_bypass(address.host):
        return None
    url = urllib.request.getproxies_environment().get("https" if address.tls else "http")
    if not url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        usable, port = parts.scheme == "http" and parts.hostname, parts.port or 80
    except ValueError:
        usable = None
    if not usable:  # it may hold a password, and so is not shown
        raise WrongUse(f"the proxy for {address} is none that can be used", hint="write http://HOST:PORT")
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    return Proxy(usable, port, Secret(login) if login else None)
