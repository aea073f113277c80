"""Pulls an OCI artifact's files into a folder, each checked against its digest. Knows nothing of builds.

oras speaks to the registry. What it would do besides is kept from it: it sleeps for minutes between
attempts, waits for ever for an answer, looks for credentials that nobody gave it, checks no digest,
and its own unpacking can be led out of its folder.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import oras.auth.utils
import requests
import tenacity
from oras.auth.token import TokenAuth
from oras.client import OrasClient
from oras.container import Container
from oras.provider import Registry

from graph.errors import InvalidReference
from graph.record import dataclass
from graph.reference import DEFAULT_REGISTRY, Digest, ImageRef
from rebuild.context.cutting import CuttableAdapter
from rebuild.context.fault import ContextError, Unsafe, masked
from rebuild.context.limits import Meter
from rebuild.context.reach import RegistryAccess
from rebuild.context.tree import Tree, parts_of
from rebuild.context.unpack import Links, unpack
from rebuild.secrets.web_url import is_loopback

MANIFEST_BYTES_MOST = 4 * 1024 * 1024
LONG_AGO = 315_619_200  # 2 January 1980, for files without a time: zip archives know none before 1980
_TITLE = "org.opencontainers.image.title"
_UNPACK = "io.deis.oras.content.unpack"
_FOLDER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"  # what oras gives a folder, and only that
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_INDEX_TYPES = ("application/vnd.oci.image.index.v1+json",
                "application/vnd.docker.distribution.manifest.list.v2+json")  # fmt: skip
_PIECE_BYTES = 256 * 1024
_HUB_ADDRESS = "registry-1.docker.io"
_CLIENT_ID = "base-image-tracker"


class _Passing(ContextError):
    """Another attempt may go better."""


def pull(reference: ImageRef, into: Path, access: RegistryAccess, meter: Meter) -> Digest:
    """Write the artifact's files into an empty folder and answer its digest. Blocks: call it in a thread."""
    retry = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(meter.limits.attempts),
        wait=tenacity.wait_exponential(multiplier=meter.limits.first_pause_s),
        retry=tenacity.retry_if_exception_type(_Passing),
        reraise=True,
    )
    with contextlib.closing(_Artifact(reference, access, meter)) as artifact:
        digest, manifest = retry(artifact.manifest)
        layers = [_Layer.of(reference, layer) for layer in _layers(reference, manifest)]
        for layer in layers:
            with tempfile.TemporaryFile(dir=into.parent) as file:
                retry(artifact.download, layer, file)
                _place(layer, file, into, meter)
    return digest


@dataclass(frozen=True, slots=True)
class _Layer:
    """A file of the artifact, or a folder as a tar."""

    title: str
    digest: Digest
    size: int
    is_folder: bool

    @classmethod
    def of(cls, reference: ImageRef, layer: dict[str, Any]) -> _Layer:
        annotations = layer.get("annotations") or {}
        try:
            title, digest, size = str(annotations[_TITLE]), Digest.parse(layer["digest"]), int(layer["size"])
        except (KeyError, TypeError, ValueError, InvalidReference):
            raise ContextError(
                f"context oci://{reference} has a layer without a title, digest or size",
                hint="push it with 'oras push', which names files; an image is no context",
            ) from None
        packed = layer.get("mediaType") == _FOLDER_TYPE and not title.endswith((".tar.gz", ".tgz"))
        return cls(title, digest, size, annotations.get(_UNPACK) == "true" or packed)

    @property
    def parts(self) -> tuple[str, ...]:
        parts = parts_of(self.title)
        if not parts:
            raise Unsafe("the context has a file without a name")
        return parts


class _Artifact:
    """One artifact, asked for by a client of its own: oras keeps one token a client, whatever it is for."""

    def __init__(self, reference: ImageRef, access: RegistryAccess, meter: Meter) -> None:
        self._reference = reference
        self._meter = meter
        self._client = _Client(access, reference.registry, meter.limits.idle_s)
        meter.on_stop(self._client.cut)
        self._container = _container(reference)

    def close(self) -> None:
        self._client.session.close()

    def manifest(self) -> tuple[Digest, dict[str, Any]]:
        url = f"{self._client.prefix}://{self._container.manifest_url()}"
        with self._asked(url, headers={"Accept": ", ".join((_MANIFEST_TYPE, *_INDEX_TYPES))}) as answer:
            content = b"".join(self._pieces(answer, MANIFEST_BYTES_MOST))
        digest = Digest.parse(f"sha256:{hashlib.sha256(content).hexdigest()}")
        if self._reference.digest not in (None, digest):
            raise _Passing(f"context oci://{self._reference}: the registry sent {digest}")
        try:
            manifest = json.loads(content)
        except (ValueError, RecursionError):
            raise _Passing(f"context oci://{self._reference}: its manifest is not JSON") from None
        return digest, manifest

    def download(self, layer: _Layer, into: BinaryIO) -> None:
        into.seek(0)
        into.truncate()
        seen = hashlib.new(layer.digest.algorithm)
        url = f"{self._client.prefix}://{self._container.get_blob_url(str(layer.digest))}"
        with self._asked(url) as answer:
            for piece in self._pieces(answer, layer.size):
                self._meter.transfer(len(piece))
                seen.update(piece)
                into.write(piece)
        if seen.hexdigest() != layer.digest.hex:
            message = f"{layer.title!r} does not fit its digest {layer.digest}"
            raise _Passing(f"context oci://{self._reference}: {message}")
        into.seek(0)

    @contextlib.contextmanager
    def _asked(self, url: str, headers: dict[str, str] | None = None) -> Iterator[requests.Response]:
        """The answer to a GET, if it is 200; closed at the end, read or not."""
        self._meter.check_time()
        try:
            answer = self._client.ask(url, headers or {})
            with answer:
                if answer.status_code != 200:
                    raise self._refusal(answer)
                yield answer
        except (requests.RequestException, ValueError) as error:  # ValueError: how oras says no
            self._meter.check_time()
            cause = masked(str(error)).rpartition(": ")[2]  # requests tells it last, in quotes and brackets
            reason = re.sub(r"^['\"]|['\"]\)*$", "", cause)[:300]
            raise _Passing(f"context oci://{self._reference} cannot be had: {reason}") from None

    def _refusal(self, answer: requests.Response) -> ContextError:
        status = answer.status_code
        message = f"context oci://{self._reference}: the registry answers {status} {answer.reason}"
        if status >= 500 or status == 429:
            return _Passing(message)
        hint = (
            "registries also answer so where a login is missing: log in"
            if status in (401, 403, 404)
            else None
        )
        return ContextError(message, hint=hint)

    def _pieces(self, answer: requests.Response, most: int) -> Iterator[bytes]:
        left = most
        for piece in answer.iter_content(_PIECE_BYTES):
            self._meter.check_time()
            left -= len(piece)
            if left < 0:
                raise ContextError(
                    f"context oci://{self._reference}: the registry sends more than {most} bytes"
                )
            yield piece


class _Client(OrasClient):  # type: ignore[misc]  # oras has no types
    """oras without its waits, and with the one login that it was given."""

    do_request = Registry.do_request.__wrapped__  # without the retries, which sleep for 131 s

    def __init__(self, access: RegistryAccess, registry: str, idle_s: float) -> None:
        verify: bool | str = str(access.ca_file) if access.ca_file else True
        super().__init__(insecure=access.plain_http, tls_verify=verify)
        adapter = CuttableAdapter()
        self.cut = adapter.cut
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, adapter)
        self.session.auth = _as_it_is
        self.session.request = functools.partial(self.session.request, timeout=(min(idle_s, 10.0), idle_s))
        self.session.max_redirects = 5
        self.auth = _Auth(access, registry, self.session, verify)

    def ask(self, url: str, headers: dict[str, str]) -> requests.Response:
        answer: requests.Response = self.do_request(url, headers=dict(headers), stream=True)
        if answer.status_code == 401 and self.auth.token is not None:
            answer.close()
            self.auth.token = None  # it has expired, and oras would send it once more
            answer = self.do_request(url, headers=dict(headers), stream=True)
        return answer


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """requests would look for logins in ~/.netrc, which nobody gave."""
    return request


class _Auth(TokenAuth):  # type: ignore[misc]  # oras has no types
    """Answers a registry's challenge with the given login or token, or without one."""

    def __init__(
        self, access: RegistryAccess, registry: str, session: requests.Session, verify: bool | str
    ) -> None:
        super().__init__()
        self.session = session
        self.prefix = "http" if access.plain_http else "https"
        self._registry = registry
        self._tls_verify = verify
        self._login = access.login
        self._identity_token = access.identity_token
        if access.identity_token:
            self._basic_auth = ""  # oras then asks for a token at once
        if access.login:
            self.set_basic_auth(access.login.username, access.login.password.reveal())

    def load_configs(self, container: object, configs: object = None) -> None:
        """Nothing: credentials are handed over, not looked for."""

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str], refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        original.close()
        challenge = original.headers.get("Www-Authenticate", "")
        if challenge.lower().startswith("basic"):
            if self._login is None:
                raise self._refusal
            return {**headers, "Authorization": f"Basic {self._basic_auth}"}, True
        self._check_realm(oras.auth.utils.parse_auth_header(challenge).realm or "")
        with_token, changed = super().authenticate_request(original, headers, refresh)
        if not changed:
            raise self._refusal
        return with_token, True

    def request_token(self, header: oras.auth.utils.authHeader) -> str | None:
        if self._identity_token is None:
            token: str | None = super().request_token(header)
            return token
        form = {
            "grant_type": "refresh_token",
            "service": header.service or "",
            "scope": header.scope or "",
            "client_id": _CLIENT_ID,
            "refresh_token": self._identity_token.reveal(),
        }
        answer = self.session.post(
            header.realm or "", data=form, verify=self._tls_verify, allow_redirects=False
        )
        granted = answer.json() if answer.status_code == 200 else {}
        return granted.get("access_token") or granted.get("token")

    @property
    def _refusal(self) -> ContextError:
        """Final: a password that was refused is not sent again."""
        is_named = self._login is not None or self._identity_token is not None
        return ContextError(
            f"registry {self._registry} of the context "
            + ("refuses the login" if is_named else "wants a login, and none was given"),
            hint=f"'tracker login {self._registry}' logs the user in that tracker runs as;"
            " 'tracker task credential add' gives a task a login of its own",
        )

    def _check_realm(self, realm: str) -> None:
        """The registry names its token server: where it speaks TLS, so must that. One of this machine may
        not send anybody elsewhere without TLS either."""
        parts = urlsplit(realm)
        is_near = is_loopback(parts.hostname or "")
        may_be_plain = self.prefix == "http" and (is_near or not is_loopback(_host_of(self._registry)))
        if parts.scheme != "https" and not (parts.scheme == "http" and may_be_plain):
            raise ValueError(f"its token server {realm[:200]!r} does not speak TLS")


def _host_of(registry: str) -> str:
    return urlsplit(f"//{registry}").hostname or ""


def _container(reference: ImageRef) -> Container:
    """Part by part: oras reads names by rules of its own."""
    container = Container("name")
    registry = reference.registry
    container.registry = _HUB_ADDRESS if registry == DEFAULT_REGISTRY else registry
    container.namespace, _, container.repository = reference.repository.rpartition("/")
    container.tag = reference.tag
    container.digest = str(reference.digest) if reference.digest else None
    return container


def _layers(reference: ImageRef, manifest: Any) -> list[dict[str, Any]]:
    if isinstance(manifest, dict) and manifest.get("mediaType") in _INDEX_TYPES:
        raise ContextError(
            f"context oci://{reference} is an index of several platforms", hint="name an artifact"
        )
    layers = manifest.get("layers") if isinstance(manifest, dict) else None
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        raise ContextError(
            f"context oci://{reference} holds no files",
            hint="push it with 'oras push', which names files; an image is no context",
        )
    return layers


def _place(layer: _Layer, file: BinaryIO, into: Path, meter: Meter) -> None:
    """A folder's tar begins its names with the folder's own, so it is unpacked beside it: `.` as it is."""
    if layer.is_folder:
        unpack(file, into, meter, links=Links.INSIDE, below=parts_of(layer.title)[:-1])
        return
    meter.add(layer.title)
    meter.unpack(layer.size)
    with contextlib.closing(Tree(into)) as tree:
        tree.file(layer.parts, iter(lambda: file.read(_PIECE_BYTES), b""), 0o644, LONG_AGO)
        tree.set_times()
