"""An artifact that oras pushed comes back whole, from real registries, with and without a login."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import oras.client
import pytest

from rebuild.context.fault import ContextError, TooLarge, Unsafe
from rebuild.context.fetch import Access, Fetched, fetch
from rebuild.context.limits import Limits
from rebuild.context.oci import LONG_AGO
from rebuild.context.reach import Reach, RegistryAccess
from rebuild.context.where import Source
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from tests.real_registry import RealRegistry
from tests.rebuild.context.archives import Member, folder, link, tar_of
from tests.rebuild.context.web import Answer, dripping_body, dripping_head, serving
from tests.tracker.registry.content import Document, Pusher
from tests.tracker.registry.servers import PASSWORD, USER, registry_with_basic, registry_with_tokens

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
QUICK = Limits(attempts=2, first_pause_s=0.01, idle_s=2, unpacked_bytes=1_000_000, transfer_bytes=1_000_000)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "into"


def fetched(reference: str, into: Path, *, limits: Limits = QUICK, **access: Any) -> Fetched:
    async def find(registry: str) -> RegistryAccess:
        assert registry == reference.partition("/")[0]
        return RegistryAccess(plain_http=True, **access)

    given = Access(reach=Reach(find))
    return asyncio.run(
        fetch(Source.parse(f"oci://{reference}"), into, log=lambda piece: None, limits=limits, access=given)
    )


def push(target: str, where: Path, *names: str) -> None:
    client = oras.client.OrasClient(insecure=True)
    files = [str(where / name) for name in names]
    assert (
        client.push(target=target, files=files, disable_path_validation=True, quiet=True).status_code == 201
    )


def put(registry: RealRegistry, reference: str, layers: list[dict[str, Any]], *contents: bytes) -> None:
    """Write a manifest by hand, as no tool would."""
    repository, _, tag = reference.partition(":")
    pusher = Pusher(registry.url)
    for content in (b"{}", *contents):
        pusher.blob(repository, Document("application/octet-stream", content))
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2}
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers}
    pusher.manifest(repository, tag, Document(kind, json.dumps(manifest).encode()))


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(title: str | None, content: bytes, kind: str = "text/plain", **annotations: str) -> dict[str, Any]:
    titled = {"org.opencontainers.image.title": title} if title else {}
    return {
        "mediaType": kind,
        "digest": digest(content),
        "size": len(content),
        "annotations": titled | annotations,
    }


def test_files_and_folders_come_back_as_oras_pushed_them(
    shared_registry: RealRegistry, tmp_path: Path, into: Path
) -> None:
    (tmp_path / "src/app").mkdir(parents=True)
    (tmp_path / "src/app/main.py").write_text("print()")
    (tmp_path / "src/Dockerfile").write_text("FROM scratch")
    push(f"{shared_registry.host}/context/oras:1", tmp_path / "src", "Dockerfile", "app")

    found = fetched(f"{shared_registry.host}/context/oras:1", into)

    assert (into / "Dockerfile").read_text() == "FROM scratch"
    assert (into / "Dockerfile").stat().st_mtime == LONG_AGO
    assert (into / "app/main.py").read_text() == "print()"
    again = fetched(f"{shared_registry.host}/context/oras@{found.digest}", into.with_name("again"))
    assert again.digest == found.digest


def test_a_tar_is_a_file_unless_it_says_that_it_is_a_folder(
    shared_registry: RealRegistry, into: Path
) -> None:
    content = tar_of(folder("lib"), Member("lib/a", b"x"))
    layers = [
        layer("deep/kept.tar.gz", content, LAYER),
        layer("lib", content, "application/x-tar", **{"io.deis.oras.content.unpack": "true"}),
    ]
    put(shared_registry, "context/tars:1", layers, content)

    fetched(f"{shared_registry.host}/context/tars:1", into)

    assert tarfile.is_tarfile(into / "deep/kept.tar.gz")
    assert (into / "lib/a").read_text() == "x"


def test_a_folder_that_was_pushed_from_within_is_the_context(
    shared_registry: RealRegistry, into: Path
) -> None:
    content = tar_of(folder("."), Member("./Dockerfile", b"FROM scratch"), Member("app/a", b"x"))
    unpacked = {"io.deis.oras.content.unpack": "true"}
    put(shared_registry, "context/within:1", [layer(".", content, LAYER, **unpacked)], content)

    fetched(f"{shared_registry.host}/context/within:1", into)

    assert (into / "Dockerfile").read_text() == "FROM scratch"
    assert (into / "app/a").read_text() == "x"


@pytest.mark.parametrize("title", ["../outside", "/outside", "a/../../outside", ".", "l/outside"])
def test_a_title_leads_nowhere_else(title: str, shared_registry: RealRegistry, into: Path) -> None:
    content = tar_of(folder("d"), link("l", "d"))
    layers = [layer("d", content, LAYER), layer(title, b"x")]
    put(shared_registry, "context/hostile:1", layers, content, b"x")

    with pytest.raises(Unsafe):
        fetched(f"{shared_registry.host}/context/hostile:1", into)
    assert not into.exists()


def test_a_folder_in_an_artifact_leads_nowhere_else(shared_registry: RealRegistry, into: Path) -> None:
    content = tar_of(link("d", "/tmp"), Member("d/outside", b"x"))
    put(shared_registry, "context/hostile:2", [layer("d", content, LAYER)], content)

    with pytest.raises(Unsafe):
        fetched(f"{shared_registry.host}/context/hostile:2", into)


def test_what_does_not_fit_its_digest_is_not_used(registry: RealRegistry, into: Path) -> None:
    put(registry, "context/changed:1", [layer("a", b"right")], b"right")
    stored = next(path for path in registry.folder.rglob("data") if path.read_bytes() == b"right")
    stored.write_bytes(b"wrong")

    with pytest.raises(ContextError, match="does not fit its digest"):
        fetched(f"{registry.host}/context/changed:1", into)
    assert not into.exists()


def test_an_image_is_no_context(shared_registry: RealRegistry, into: Path) -> None:
    put(shared_registry, "context/image:1", [layer(None, b"x")], b"x")

    with pytest.raises(ContextError, match="without a title") as raised:
        fetched(f"{shared_registry.host}/context/image:1", into)
    assert raised.value.hint and "oras push" in raised.value.hint


def test_what_is_not_there_is_final(registry: RealRegistry, into: Path) -> None:
    with pytest.raises(ContextError, match="answers 404"):
        fetched(f"{registry.host}/context/gone:1", into)
    assert len([line for line in registry.requests() if "gone" in line]) == 1


def test_nobody_there_is_said_at_once(into: Path) -> None:
    with pytest.raises(ContextError, match="oci://localhost:1/a:1"):
        fetched("localhost:1/a:1", into)


def test_an_artifact_is_bounded(shared_registry: RealRegistry, into: Path) -> None:
    put(shared_registry, "context/large:1", [layer("a", bytes(2_000_000))], bytes(2_000_000))

    with pytest.raises(TooLarge):
        fetched(f"{shared_registry.host}/context/large:1", into)


def test_a_login_is_used_where_the_registry_wants_a_password(tmp_path: Path, into: Path) -> None:
    with registry_with_basic(tmp_path / "registry", "app") as registry:
        with pytest.raises(ContextError, match="wants a login"):
            fetched(f"{registry.host}/app:1", into)
        before = len(registry.requests())
        with pytest.raises(ContextError, match="answers 401"):
            fetched(f"{registry.host}/app:1", into, login=Login(USER, Secret("wrong")))
        assert len(registry.requests()) - before == 2  # asked once without it, and once with it
        with pytest.raises(ContextError, match="holds no files"):  # let in: it is an image
            fetched(f"{registry.host}/app:1", into, login=Login(USER, Secret(PASSWORD)))


def test_a_login_is_used_where_the_registry_wants_a_token(tmp_path: Path, into: Path) -> None:
    with registry_with_tokens(tmp_path / "guarded", "app") as guarded:
        guarded.tokens.users[USER] = PASSWORD
        with pytest.raises(ContextError, match="refuses the login"):
            fetched(f"{guarded.registry.host}/app:1", into, login=Login(USER, Secret("wrong")))
        with pytest.raises(ContextError, match="holds no files"):
            fetched(f"{guarded.registry.host}/app:1", into, login=Login(USER, Secret(PASSWORD)))


def test_an_identity_token_is_exchanged_and_never_sent_to_the_registry(tmp_path: Path, into: Path) -> None:
    with registry_with_tokens(tmp_path / "guarded", "app") as guarded:
        guarded.tokens.users[USER] = PASSWORD
        guarded.tokens.refresh_tokens.add("r3fresh")
        with pytest.raises(ContextError, match="refuses the login"):
            fetched(f"{guarded.registry.host}/app:1", into, identity_token=Secret("wrong"))
        with pytest.raises(ContextError, match="holds no files"):
            fetched(f"{guarded.registry.host}/app:1", into, identity_token=Secret("r3fresh"))

    assert [asked.method for asked in guarded.tokens.requests] == ["POST", "POST"]


def test_logins_of_netrc_are_not_taken_either(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(f"machine localhost login {USER} password {PASSWORD}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with (
        registry_with_basic(tmp_path / "registry", "app") as registry,
        pytest.raises(ContextError, match="none was given"),
    ):
        fetched(f"{registry.host}/app:1", into)


def test_a_login_does_not_leave_the_machine_without_tls_for_a_token(tmp_path: Path, into: Path) -> None:
    with registry_with_tokens(tmp_path / "guarded", "app") as guarded:
        settings = {**guarded.tokens.registry_settings(), "realm": "http://192.0.2.1/token"}
        guarded.registry.stop()
        guarded.registry.extra = {"auth": {"token": settings}}
        guarded.registry.start()
        with pytest.raises(ContextError, match=r"'http://192\.0\.2\.1/token' does not speak TLS"):
            fetched(f"{guarded.registry.host}/app:1", into, login=Login(USER, Secret(PASSWORD)))


@pytest.mark.parametrize("answer", [dripping_head, dripping_body])
def test_a_registry_that_drips_is_bounded_by_time(answer: Answer, into: Path) -> None:
    with serving() as server:
        server.gives("/v2/app/manifests/1", answer)
        with pytest.raises(TooLarge, match=r"longer than 0\.5 s"):
            fetched(f"{server.url.removeprefix('http://')}/app:1", into, limits=replace(QUICK, timeout_s=0.5))

    assert not into.exists()
    assert len(server.asked) == 1


def test_credentials_that_were_not_given_are_not_looked_for(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "bin" / "docker-credential-spy"
    helper.parent.mkdir()
    helper.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    helper.chmod(0o755)
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text('{"credsStore": "spy"}')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(helper.parent), prepend=":")
    with (
        registry_with_basic(tmp_path / "registry", "app") as registry,
        pytest.raises(ContextError, match="none was given"),
    ):
        fetched(f"{registry.host}/app:1", into)

    assert not (tmp_path / "asked").exists()
