"""The Vault client against a server that keeps state as Vault does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import SecretUnavailable
from tests.fake_vault import FakeVault, fake_vault
from tests.tracker.registry.fake_clock import FakeClock
from tracker.vault.client import VaultClient
from tracker.vault.settings import AppRole, VaultSettings, VaultSettingsWrong

pytestmark = pytest.mark.anyio

TOKEN = "hvs.root-token"


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    with fake_vault() as running:
        running.tokens[TOKEN] = ("secret/", "old/")
        running.secrets["secret/shop/db"] = {"password": "hunter22", "port": 5432}
        running.secrets["old/db"] = {"password": "from-kv-1"}
        yield running


def settings(vault: FakeVault) -> VaultSettings:
    return VaultSettings(vault.address, Secret(TOKEN))


def client(asked: VaultSettings, timeout_s: float = 10.0) -> VaultClient:
    return VaultClient(asked, FakeClock().clock(), timeout_s=timeout_s)


async def read(asked: VaultSettings, path: str = "secret/shop/db", key: str = "password") -> str:
    async with client(asked) as opened:
        return (await opened.read(path, key)).reveal()


async def refused(
    asked: VaultSettings, path: str = "secret/shop/db", key: str = "password"
) -> SecretUnavailable:
    with pytest.raises(SecretUnavailable) as refusal:
        await read(asked, path, key)
    assert "hunter22" not in f"{refusal.value} {refusal.value.hint}"
    assert TOKEN not in f"{refusal.value} {refusal.value.hint}"
    return refusal.value


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("secret/shop/db", "password", "hunter22"),
        ("secret/shop/db", "port", "5432"),
        ("old/db", "password", "from-kv-1"),
    ],
)
async def test_a_key_is_read_from_either_version_of_the_engine(
    vault: FakeVault, path: str, key: str, value: str
) -> None:
    assert await read(settings(vault), path, key) == value


async def test_a_role_logs_in_once_for_many_secrets(vault: FakeVault) -> None:
    vault.roles["builder", "s3cret-id"] = ("secret/",)
    asked = VaultSettings(vault.address, AppRole("builder", Secret("s3cret-id")))

    async with client(asked) as opened:
        values = [await opened.read("secret/shop/db", "password") for _ in range(3)]

    assert values == [Secret("hunter22")] * 3
    assert vault.requests.count(("POST", "auth/approle/login")) == 1


async def test_a_role_logs_in_again_when_its_token_nears_its_end(vault: FakeVault) -> None:
    vault.roles["builder", "s3cret-id"] = ("secret/",)
    asked = VaultSettings(vault.address, AppRole("builder", Secret("s3cret-id")))
    time = FakeClock()

    async with VaultClient(asked, time.clock()) as opened:
        await opened.read("secret/shop/db", "password")
        await time.clock().sleep(3000)
        await opened.read("secret/shop/db", "password")

    assert vault.requests.count(("POST", "auth/approle/login")) == 2


async def test_a_role_logs_in_again_when_its_token_was_revoked(vault: FakeVault) -> None:
    vault.roles["builder", "s3cret-id"] = ("secret/",)
    async with client(VaultSettings(vault.address, AppRole("builder", Secret("s3cret-id")))) as opened:
        await opened.read("secret/shop/db", "password")
        vault.tokens.clear()

        assert await opened.read("secret/shop/db", "password") == Secret("hunter22")


async def test_a_wrong_role_is_refused_without_showing_it(vault: FakeVault) -> None:
    error = await refused(VaultSettings(vault.address, AppRole("builder", Secret("guessed-id"))))

    assert "does not take the role" in error.message
    assert "guessed-id" not in f"{error} {error.hint}"


async def test_a_namespace_is_sent(vault: FakeVault) -> None:
    vault.namespace = "team-a"

    assert await read(replace(settings(vault), namespace="team-a")) == "hunter22"


async def test_a_passing_fault_is_waited_out(vault: FakeVault) -> None:
    vault.faults = [503, 500, 429]

    assert await read(settings(vault)) == "hunter22"


@pytest.mark.parametrize(
    ("status", "said", "asked"),
    [
        (503, "sealed", 4),
        (500, "status 500", 4),
        (418, "status 418", 1),
        (307, "redirects", 1),
        (403, "403", 1),
    ],
)
async def test_a_lasting_fault_is_told_and_asked_only_as_often_as_it_may_pass(
    vault: FakeVault, status: int, said: str, asked: int
) -> None:
    vault.faults = [status] * 10

    error = await refused(settings(vault))

    assert said in error.message
    assert len(vault.requests) == asked


async def test_a_token_does_not_follow_a_redirect(vault: FakeVault) -> None:
    with fake_vault() as stranger:
        vault.faults, vault.redirects_to = [307], f"{stranger.address}/v1/secret/shop/db"

        error = await refused(settings(vault))

        assert "redirects to another address" in error.message
        assert stranger.requests == []


async def test_a_path_on_no_mount_says_what_to_check(vault: FakeVault) -> None:
    error = await refused(settings(vault), "sekret/shop/db")

    assert (error.message, "policy" in str(error.hint)) == ("Vault does not allow it (403)", True)


async def test_a_wrong_namespace_is_an_error(vault: FakeVault) -> None:
    vault.namespace = "team-a"

    assert "no such secret" in (await refused(replace(settings(vault), namespace="team-b"))).message


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for this machine, its own authority, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subject = ["-subj", "/CN=vault", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *made]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


async def test_a_certificate_is_trusted_by_the_file_of_its_authority(identity: tuple[Path, Path]) -> None:
    with fake_vault(identity) as vault:
        vault.tokens[TOKEN] = ("secret/",)
        vault.secrets["secret/shop/db"] = {"password": "hunter22"}

        assert await read(replace(settings(vault), ca_file=identity[0])) == "hunter22"


async def test_a_certificate_of_a_stranger_is_refused_at_once(identity: tuple[Path, Path]) -> None:
    with fake_vault(identity) as vault:
        error = await refused(settings(vault))

    assert f"Vault at {vault.address} is not trusted: self-signed certificate" in error.message
    assert "VAULT_CACERT" in str(error.hint)
    assert vault.requests == []


async def test_a_file_that_is_no_authority_is_named(vault: FakeVault, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    error = await refused(replace(settings(vault), ca_file=tmp_path / "ca.pem"))

    assert f"VAULT_CACERT {tmp_path}/ca.pem" in error.message


async def test_what_the_token_may_not_read_is_refused(vault: FakeVault) -> None:
    vault.tokens[TOKEN] = ("secret/other/",)

    assert "does not allow" in (await refused(settings(vault))).message


async def test_a_path_that_is_not_there_says_how_to_look(vault: FakeVault) -> None:
    error = await refused(settings(vault), "secret/shop/nothing")

    assert "no such secret" in error.message
    assert "vault kv get" in str(error.hint)


async def test_a_key_that_is_not_there_names_those_that_are(vault: FakeVault) -> None:
    error = await refused(settings(vault), key="passwd")

    assert (error.message, error.hint) == ("the secret has no key 'passwd'", "it has these: password, port")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": 1}', b'{"data": {"path": 5}}', b"[" * 100_000])
async def test_a_strange_answer_is_an_error_and_no_crash(vault: FakeVault, body: bytes) -> None:
    vault.body = body

    await refused(settings(vault))


async def test_an_endless_answer_is_cut(vault: FakeVault) -> None:
    vault.body = b" " * 2_000_000

    assert "over 1048576 bytes" in (await refused(settings(vault))).message


async def test_a_vault_that_hangs_is_given_up(vault: FakeVault) -> None:
    vault.delay_s = 0.5
    async with client(settings(vault), timeout_s=0.05) as opened:
        with pytest.raises(SecretUnavailable, match="no answer in time"):
            await opened.read("secret/shop/db", "password")


async def test_a_vault_that_is_not_there_is_named(vault: FakeVault) -> None:
    error = await refused(replace(settings(vault), address="http://127.0.0.1:1"))

    assert error.message == "Vault at http://127.0.0.1:1: ConnectError"


def test_without_an_address_there_is_no_vault() -> None:
    assert VaultSettings.of_environment({"VAULT_TOKEN": "t"}) is None


def test_the_variables_of_vault_are_taken() -> None:
    environment = {"VAULT_ADDR": "https://v.example:8200/", "VAULT_NAMESPACE": "a", "VAULT_CACERT": "/ca.pem"}

    found = VaultSettings.of_environment({**environment, "VAULT_ROLE_ID": "r", "VAULT_SECRET_ID": "s"})

    assert found == VaultSettings("https://v.example:8200", AppRole("r", Secret("s")), "a", Path("/ca.pem"))


def test_the_token_may_be_a_credential_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "vault-token").write_text("hvs.t\n")
    environment = {"VAULT_ADDR": "https://v.example", "CREDENTIALS_DIRECTORY": str(tmp_path)}

    assert VaultSettings.of_environment(environment) == VaultSettings("https://v.example", Secret("hvs.t"))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("v.example:8200", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://user:hunter22@v.example", "is not a URL"),
        ("http://v.example", "plain http"),
    ],
)
def test_an_address_that_is_none_is_refused(address: str, said: str) -> None:
    with pytest.raises(VaultSettingsWrong, match=said) as refusal:
        VaultSettings.of_environment({"VAULT_ADDR": address, "VAULT_TOKEN": "t"})

    assert "hunter22" not in str(refusal.value)


def test_an_address_without_anybody_to_be_there_is_refused() -> None:
    with pytest.raises(VaultSettingsWrong, match="neither a token nor a role"):
        VaultSettings.of_environment({"VAULT_ADDR": "https://v.example"})


def test_settings_and_client_show_no_token() -> None:
    asked = VaultSettings("https://v.example", Secret(TOKEN))

    assert TOKEN not in f"{asked} {VaultClient(asked)!r}"
