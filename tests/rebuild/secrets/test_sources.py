"""A source of a secret is written as text, and never shows a value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import (
    FromCredential,
    FromEnvironment,
    FromFile,
    FromKeyVault,
    FromVault,
    Opaque,
    Source,
    SourceRefused,
    mapped,
    parse_keyvault,
    parse_source,
    read_keyvaults,
)

URL = "https://shop.vault.azure.net/secrets/db-password"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("file:/run/secrets/db", FromFile(Path("/run/secrets/db"))),
        ("env:DB_PASSWORD", FromEnvironment("DB_PASSWORD")),
        ("credential:db.password", FromCredential("db.password")),
        ("vault:secret/shop/db#password", FromVault("secret/shop/db", "password")),
        (URL, FromKeyVault("shop.vault.azure.net", "db-password")),
        (f"{URL}/0a1b2c", FromKeyVault("shop.vault.azure.net", "db-password", "0a1b2c")),
        ("hunter22", Opaque(Secret("hunter22"))),
        ("a:b:c", Opaque(Secret("a:b:c"))),
        ("https://example.com/x", Opaque(Secret("https://example.com/x"))),
        ("opaque:env:NAME", Opaque(Secret("env:NAME"))),
        ("", Opaque(Secret(""))),
    ],
)
def test_a_text_is_the_source_that_it_names(text: str, source: Source) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize(
    "text",
    [
        "file:secrets/db",
        "file:/run/../etc/shadow",
        "env:",
        "env:NOT-A-NAME",
        "credential:../tracker-key",
        "credential:..",
        "vault:secret/shop/db",
        "vault:secret#key",
        "vault:secret/../sys/auth#key",
        "vault:/secret/db#key",
        "https://shop.vault.azure.net/keys/db",
        "https://shop.vault.azure.net/secrets/db?x=1",
    ],
)
def test_a_source_that_is_written_wrongly_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(SourceRefused) as refusal:
        parse_source(text)

    assert refusal.value.hint is not None
    assert refusal.value.hint.startswith("write ")


@given(st.one_of(st.text(), st.from_regex(r"(file|env|credential|vault|opaque|https):.{0,30}")))
def test_any_text_is_a_source_or_a_refusal(text: str) -> None:
    try:
        source = parse_source(text)
    except WrongUse:
        return
    if not isinstance(source, Opaque):
        assert parse_source(str(source)) == source


@given(st.text(min_size=8))
def test_an_opaque_source_shows_nothing_of_its_value(text: str) -> None:
    source = Opaque(Secret(text))

    assert (str(source), repr(source)) == ("opaque", "Opaque(value=***)")


@pytest.mark.parametrize(
    "url", ["http://v.vault.azure.net/secrets/a", "https://v/secrets/", "https://u:p@v/secrets/a", "a"]
)
def test_a_keyvault_that_is_no_url_of_a_secret_is_refused(url: str) -> None:
    with pytest.raises(SourceRefused, match="is not the URL of a secret"):
        parse_keyvault(url)


def test_a_keyvault_may_end_with_a_slash_and_be_anywhere() -> None:
    assert parse_keyvault("https://Vault.Example:8443/secrets/a/") == FromKeyVault("vault.example:8443", "a")


def test_the_longest_prefix_decides_what_stands_for_a_key_vault_secret() -> None:
    table = {
        "https://shop.vault.azure.net": "vault:secret/shop/{name}#value",
        "https://shop.vault.azure.net/secrets/db-password": "file:/etc/tracker/secrets/db",
        "https://shop.vault.azure.ne": "env:WRONG",
    }

    assert mapped(parse_keyvault(URL), table) == FromFile(Path("/etc/tracker/secrets/db"))
    assert mapped(parse_keyvault(URL.replace("db-password", "other")), table) == FromVault(
        "secret/shop/other", "value"
    )


def test_a_key_vault_that_nobody_mapped_is_refused_and_says_how() -> None:
    with pytest.raises(SourceRefused, match="which tracker does not ask") as refusal:
        mapped(parse_keyvault(URL), {"https://other.vault.azure.net": "env:A"})

    assert refusal.value.hint is not None
    assert 'secrets.keyvaults: "https://shop.vault.azure.net = vault:' in refusal.value.hint


def test_a_version_is_used_or_refused_and_never_left_out_silently() -> None:
    versioned = parse_keyvault(f"{URL}/7f")
    plain = {"https://shop.vault.azure.net": "file:/keys/{name}"}

    assert mapped(versioned, {k: f"{v}-{{version}}" for k, v in plain.items()}) == FromFile(
        Path("/keys/db-password-7f")
    )
    assert mapped(versioned, {f"{URL}/7f": "file:/keys/one"}) == FromFile(Path("/keys/one"))
    with pytest.raises(SourceRefused, match="asks for one version"):
        mapped(versioned, plain)


def test_a_table_is_written_line_by_line() -> None:
    lines = ["https://a.vault.azure.net/ = vault:secret/{name}#k=1", "https://b=env:B"]

    assert read_keyvaults(lines) == {
        "https://a.vault.azure.net/": "vault:secret/{name}#k=1",
        "https://b": "env:B",
    }


@pytest.mark.parametrize(
    "line", ["shop = env:A", "https://a = hunter22", f"https://a = {URL}", "https://a", "https://a = vault:x"]
)
def test_a_line_of_a_table_that_maps_to_no_source_is_refused(line: str) -> None:
    with pytest.raises(SourceRefused) as refusal:
        read_keyvaults([line])

    assert "hunter22" not in str(refusal.value)
