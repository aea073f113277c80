"""Credentials and secrets of tasks: what is kept, what is shown, and whose they are."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from graph.errors import TrackerError, WrongUse
from rebuild.runs.table import Cause, Runs
from rebuild.secrets.cipher import NotOurs
from rebuild.secrets.credentials import (
    CredentialRefused,
    RegistryCredentials,
    RegistryLogin,
    UnknownCredential,
    read_logins,
    registry_of,
)
from rebuild.secrets.run_secrets import RunSecrets
from rebuild.secrets.sealed import Opened, check_sealed, reseal
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import Places
from rebuild.secrets.secret_source import FromEnvironment, Opaque, parse_source
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from rebuild.tasks.task import Tasks
from tests.rebuild.secrets.conftest import NOW, Keys, content_of, new_key

LATER = NOW + timedelta(hours=1)
USER, PASSWORD = Opaque(Secret("robot-1")), Opaque(Secret("hunter22"))


def table(sql: sqlite3.Connection, keys: Keys) -> RegistryCredentials:
    return RegistryCredentials(sql, keys.find)


def with_one(sql: sqlite3.Connection, keys: Keys) -> RegistryCredentials:
    made = table(sql, keys)
    made.add(1, "shop.azurecr.io", username=USER, password=PASSWORD, at=NOW)
    return made


@pytest.mark.anyio
async def test_a_credential_comes_back_with_its_values(sql: sqlite3.Connection, keys: Keys) -> None:
    made = with_one(sql, keys)
    made.add(1, "docker.io", username=FromEnvironment("U"), password=FromEnvironment("P"), at=NOW)

    logins = await read_logins(made.sources(1), Places.of_user({"U": "u\n", "P": "p\n"}))

    assert logins == (
        RegistryLogin("docker.io", "u", Secret("p")),
        RegistryLogin("shop.azurecr.io", "robot-1", Secret("hunter22")),
    )


def test_neither_value_stands_in_the_database(sql: sqlite3.Connection, keys: Keys) -> None:
    with_one(sql, keys)
    TaskSecrets(sql, keys.find).set(1, SecretUse.BUILD, "npm", PASSWORD, NOW)

    assert "shop.azurecr.io" in content_of(sql)
    assert "hunter22" not in content_of(sql)
    assert "robot-1" not in content_of(sql)


def test_a_list_shows_all_but_values_and_needs_no_key(sql: sqlite3.Connection, keys: Keys) -> None:
    made = with_one(sql, keys)
    made.add(1, "ghcr.io", username=None, password=FromEnvironment("GHCR"), at=NOW)
    asked = keys.asked

    listed = [(one.registry, one.username, one.password) for one in made.list(1)]

    assert listed == [("ghcr.io", None, "env:GHCR"), ("shop.azurecr.io", "opaque", "opaque")]
    assert keys.asked == asked


def test_sources_alone_need_no_key(sql: sqlite3.Connection, keys: Keys) -> None:
    table(sql, keys).add(1, "ghcr.io", username=FromEnvironment("A"), password=FromEnvironment("B"), at=NOW)

    assert table(sql, keys).sources(1).keys() == {"ghcr.io user name", "ghcr.io password"}
    assert keys.asked == 0


def test_adding_a_registry_that_the_task_has_is_refused(sql: sqlite3.Connection, keys: Keys) -> None:
    made = with_one(sql, keys)

    with pytest.raises(CredentialRefused, match=r"has a credential for shop\.azurecr\.io already"):
        made.add(1, "https://SHOP.azurecr.io/", username=USER, password=PASSWORD, at=NOW)
    made.add(2, "shop.azurecr.io", username=USER, password=PASSWORD, at=NOW)


def test_updating_changes_what_is_given_and_leaves_the_rest(sql: sqlite3.Connection, keys: Keys) -> None:
    made = with_one(sql, keys)

    made.update(1, "shop.azurecr.io", password=FromEnvironment("NEW"), at=LATER)

    assert list(made.sources(1).values()) == [USER, FromEnvironment("NEW")]
    assert [(one.created_at, one.updated_at) for one in made.list(1)] == [(NOW, LATER)]


def test_updating_or_removing_what_is_not_there_names_what_is(sql: sqlite3.Connection, keys: Keys) -> None:
    made = with_one(sql, keys)

    with pytest.raises(UnknownCredential, match=r"no credential for ghcr\.io") as refusal:
        made.update(1, "ghcr.io", at=NOW)
    with pytest.raises(UnknownCredential, match=r"no credential for ghcr\.io"):
        made.remove(1, "ghcr.io")

    assert refusal.value.hint == "it has these: shop.azurecr.io"


def test_a_removed_credential_is_gone(sql: sqlite3.Connection, keys: Keys) -> None:
    made = with_one(sql, keys)

    made.remove(1, "shop.azurecr.io")

    assert made.list(1) == []


def test_an_empty_password_is_refused(sql: sqlite3.Connection, keys: Keys) -> None:
    with pytest.raises(CredentialRefused, match="empty"):
        table(sql, keys).add(1, "ghcr.io", username=USER, password=Opaque(Secret("")), at=NOW)


def test_a_value_that_was_copied_to_another_task_does_not_open(sql: sqlite3.Connection, keys: Keys) -> None:
    made = with_one(sql, keys)
    sql.execute(
        "INSERT INTO credentials SELECT 2, registry, username, password, created_at, updated_at"
        " FROM credentials"
    )

    with pytest.raises(NotOurs):
        made.sources(2)


def test_a_task_that_goes_takes_its_secrets_along(sql: sqlite3.Connection, keys: Keys) -> None:
    made = with_one(sql, keys)
    TaskSecrets(sql, keys.find).set(1, SecretUse.GIT, "", PASSWORD, NOW)

    sql.execute("DELETE FROM tasks WHERE id = 1")

    assert made.list(1) == []
    assert TaskSecrets(sql, keys.find).list(1) == []


def test_after_resealing_the_old_key_may_go(sql: sqlite3.Connection, keys: Keys) -> None:
    made, secrets = with_one(sql, keys), TaskSecrets(sql, keys.find)
    secrets.set(1, SecretUse.BUILD, "npm", PASSWORD, NOW)
    new = new_key()
    keys.keys.insert(0, new)

    definition = Tasks(sql).named("shop").definition
    run = Runs(sql).add(definition, Cause.QUICK, NOW, asked_by="somebody")
    of_run = RunSecrets(sql, keys.find)
    keys.keys.reverse()
    of_run.replace(run.number, SecretUse.VALUE, {"pin": PASSWORD.value})
    keys.keys.reverse()

    assert check_sealed(sql, keys.find()) == Opened(0, 4, ())
    assert reseal(sql, keys.find()) == 4

    keys.keys = [new]
    assert list(made.sources(1).values()) == [USER, PASSWORD]
    assert secrets.sources(1, SecretUse.BUILD) == {"npm": PASSWORD}
    assert of_run.sources(run.number, SecretUse.VALUE) == {"pin": PASSWORD}


def test_what_no_key_opens_is_told_by_its_task_and_stops_all_resealing(
    sql: sqlite3.Connection, keys: Keys
) -> None:
    with_one(sql, keys)
    keys.keys = [new_key()]

    with pytest.raises(TrackerError, match=r"no key opens the username of task shop for shop\.azurecr\.io"):
        reseal(sql, keys.find())

    assert check_sealed(sql, keys.find()).closed == (
        "username of task shop for shop.azurecr.io",
        "password of task shop for shop.azurecr.io",
    )


@pytest.mark.parametrize("text", ["", "https://", "a/b", "user@host", "host name", "http://user:pw@host"])
def test_what_is_no_registry_is_refused(text: str) -> None:
    with pytest.raises(CredentialRefused, match="is not a registry"):
        registry_of(text)


@pytest.mark.parametrize(
    ("text", "registry"),
    [
        ("shop.azurecr.io", "shop.azurecr.io"),
        ("https://Ghcr.io/", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
        ("index.docker.io", "docker.io"),
    ],
)
def test_a_registry_is_named_as_image_names_have_it(text: str, registry: str) -> None:
    assert registry_of(text) == registry


def test_secrets_of_a_task_are_kept_by_use(sql: sqlite3.Connection, keys: Keys) -> None:
    secrets = TaskSecrets(sql, keys.find)
    secrets.set(1, SecretUse.BUILD, "npm", PASSWORD, NOW)
    secrets.set(1, SecretUse.VALUE, "npm", parse_source("vault:secret/npm#token"), NOW)
    secrets.set(2, SecretUse.BUILD, "npm", USER, NOW)

    assert secrets.sources(1, SecretUse.BUILD) == {"npm": PASSWORD}
    assert [(one.use, one.name, one.source) for one in secrets.list(1)] == [
        (SecretUse.BUILD, "npm", "opaque"),
        (SecretUse.VALUE, "npm", "vault:secret/npm#token"),
    ]


def test_replacing_leaves_only_what_is_given_of_that_use(sql: sqlite3.Connection, keys: Keys) -> None:
    secrets = TaskSecrets(sql, keys.find)
    secrets.set(1, SecretUse.BUILD, "old", PASSWORD, NOW)
    secrets.set(1, SecretUse.GIT, "", PASSWORD, NOW)

    secrets.replace(1, SecretUse.BUILD, {"new": USER}, LATER)

    assert secrets.sources(1, SecretUse.BUILD) == {"new": USER}
    assert secrets.sources(1, SecretUse.GIT) == {"": PASSWORD}
    assert secrets.remove(1, SecretUse.GIT)
    assert not secrets.remove(1, SecretUse.GIT)


@pytest.mark.parametrize("name", ["", "a,src=/etc/shadow", "../x", "a b", "-x", "x" * 129, "é"])
def test_a_name_that_could_be_more_than_a_name_is_refused(
    sql: sqlite3.Connection, keys: Keys, name: str
) -> None:
    with pytest.raises(WrongUse, match="is not valid"):
        TaskSecrets(sql, keys.find).set(1, SecretUse.BUILD, name, PASSWORD, NOW)
