"""Secrets are fetched from where they are; what a task may not have, it does not get."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import AT_ONCE, Places, SecretUnavailable, line_of, read_secrets, text_of
from rebuild.secrets.secret_source import FromVault, Source, parse_source

pytestmark = pytest.mark.anyio


@dataclass
class SlowVault:
    """Answers after a moment, and tells how many asked at once."""

    pause_s: float = 0.0
    asking: int = 0
    asking_most: int = 0
    asked: list[str] = field(default_factory=list)

    async def read(self, path: str, key: str) -> Secret:
        self.asking += 1
        self.asking_most = max(self.asking_most, self.asking)
        self.asked.append(path)
        await asyncio.sleep(self.pause_s)
        self.asking -= 1
        return Secret(f"{path}#{key}")


def sources(**texts: str) -> dict[str, Source]:
    return {secret_id: parse_source(text) for secret_id, text in texts.items()}


async def failed(places: Places, timeout_s: float = 5.0, **texts: str) -> SecretUnavailable:
    with pytest.raises(SecretUnavailable) as refusal:
        await read_secrets(sources(**texts), places, timeout_s=timeout_s)
    return refusal.value


async def test_every_kind_of_source_gives_its_value(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("from-file\n")
    places = Places.of_user(
        {"NAME": "from-variable", "CREDENTIALS_DIRECTORY": str(tmp_path)},
        vault=SlowVault(),
        keyvaults={"https://k.vault.azure.net": "vault:secret/{name}#value"},
    )

    found = await read_secrets(
        sources(
            a=f"file:{tmp_path}/db",
            b="env:NAME",
            c="credential:db",
            d="vault:secret/x#y",
            e="https://k.vault.azure.net/secrets/z",
            f="typed",
        ),
        places,
    )

    assert {secret_id: secret.reveal() for secret_id, secret in found.items()} == {
        "a": "from-file\n",  # a key without its last line end is none to ssh
        "b": "from-variable",
        "c": "from-file\n",
        "d": "secret/x#y",
        "e": "secret/z#value",
        "f": "typed",
    }


async def test_a_password_is_taken_without_the_line_end_of_its_file() -> None:
    assert line_of(Secret("hunter22\r\n")) == Secret("hunter22")


@pytest.mark.parametrize(
    ("content", "text"),
    [("hunter22\n", "hunter22"), ("hunter22", "hunter22"), ("-----\nkey\n-----\n", "-----\nkey\n-----\n")],
)
async def test_a_template_is_given_one_line_as_a_line_and_several_as_they_are(
    content: str, text: str
) -> None:
    assert text_of(Secret(content)) == Secret(text)


async def test_all_failures_are_told_each_with_id_and_source(tmp_path: Path) -> None:
    error = await failed(Places.of_user({}), db=f"file:{tmp_path}/no", token="env:NO", good="typed-value")

    assert error.message.splitlines() == [
        f"secret db from file:{tmp_path}/no: it cannot be read: No such file or directory",
        "secret token from env:NO: there is no such variable",
    ]
    assert "typed-value" not in str(error)


async def test_a_variable_of_the_service_alone_is_told_with_the_name_that_it_would_need() -> None:
    environment = {"TOKEN": "its own", "LENT_TOKEN": "a task's"}
    places = Places.of_service(environment, prefix="LENT_", folders=())

    kept = await failed(places, git="env:TOKEN")
    absent = await failed(places, git="env:LENT_OTHER")

    assert kept.message == (
        "secret git from env:TOKEN: the service gives tasks only variables whose names begin with LENT_"
    )
    assert kept.hint == "set LENT_TOKEN where the service runs, and name that"
    assert absent.message == "secret git from env:LENT_OTHER: there is no such variable"


async def test_secrets_are_fetched_at_once_but_not_all() -> None:
    vault = SlowVault(pause_s=0.02)
    wanted: dict[str, Source] = {f"s{number}": FromVault(f"secret/{number}", "k") for number in range(12)}

    found = await read_secrets(wanted, Places.of_user({}, vault=vault))

    assert len(found) == 12
    assert vault.asking_most == AT_ONCE


async def test_a_source_that_does_not_answer_is_given_up() -> None:
    error = await failed(
        Places.of_user({}, vault=SlowVault(pause_s=60)), timeout_s=0.05, db="vault:secret/x#y"
    )

    assert error.message == "secret db from vault:secret/x#y: no answer within 0.05 s"


async def test_without_a_vault_the_message_says_how_to_name_one() -> None:
    error = await failed(Places.of_user({}), db="vault:secret/x#y")

    assert (error.message, error.hint) == (
        "secret db from vault:secret/x#y: no Vault is configured",
        "set VAULT_ADDR where tracker runs",
    )


@pytest.mark.parametrize("kind", ["large", "folder", "pipe", "binary"])
async def test_what_is_no_secret_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    match kind:
        case "large":
            path.write_bytes(b"x" * 70_000)
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case _:
            path.write_bytes(b"\xff\xfe\x00")

    assert f"secret db from file:{path}: it " in (await failed(Places.of_user({}), db=f"file:{path}")).message


@pytest.mark.parametrize(
    "text",
    [
        "env:PATH",
        "env:VAULT_TOKEN",
        "file:/etc/passwd",
        "file:{lent}/out",
        "file:{lent}-other/x",
        "credential:tracker-key",
        "credential:vault-token",
    ],
)
async def test_a_task_does_not_reach_what_is_the_services_own(tmp_path: Path, text: str) -> None:
    lent, own = tmp_path / "lent", tmp_path / "credentials"
    for folder in (lent, own, tmp_path / "lent-other"):
        folder.mkdir()
    (tmp_path / "lent-other/x").write_text("private")
    (lent / "out").symlink_to("/etc/passwd")
    for name in ("tracker-key", "vault-token"):
        (own / name).write_text("private")
    environment = {"PATH": "private", "VAULT_TOKEN": "private", "CREDENTIALS_DIRECTORY": str(own)}
    places = Places.of_service(environment, prefix="TRACKER_SECRET_", folders=(lent,))

    error = await failed(places, db=text.format(lent=lent))

    assert "private" not in str(error)


async def test_a_task_reaches_what_the_service_lends(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("lent")
    environment = {"TRACKER_SECRET_DB": "lent", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    places = Places.of_service(environment, prefix="TRACKER_SECRET_", folders=(tmp_path,))

    found = await read_secrets(
        sources(a=f"file:{tmp_path}/db", b="env:TRACKER_SECRET_DB", c="credential:db"), places
    )

    assert set(found.values()) == {Secret("lent")}


def test_places_do_not_show_the_environment() -> None:
    assert "hunter22" not in repr(Places.of_user({"A": "hunter22"}))
