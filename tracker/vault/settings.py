"""Where HashiCorp Vault is and who we are there, by the variables of Vault's own tools. Asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.secrets.secret import Secret
from rebuild.secrets.web_url import WebUrl, is_loopback


class VaultSettingsWrong(WrongUse):
    """The variables that say where Vault is and who we are there do not fit together."""


@dataclass(frozen=True, slots=True)
class AppRole:
    role_id: str
    secret_id: Secret
    mount: str = "approle"


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """Where Vault is, and either a token or a role to log in with."""

    address: str
    identity: Secret | AppRole
    namespace: str | None = None
    ca_file: Path | None = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> VaultSettings | None:
        """By Vault's own variables; token and secret id may also be the systemd credentials `vault-token` and
        `vault-secret-id`. None without VAULT_ADDR. Raises `VaultSettingsWrong`."""
        address = environment.get("VAULT_ADDR")
        if not address:
            return None
        ca_file = environment.get("VAULT_CACERT")
        return cls(
            _checked(address.rstrip("/")),
            _identity(environment),
            environment.get("VAULT_NAMESPACE") or None,
            Path(ca_file) if ca_file else None,
        )


def _checked(address: str) -> str:
    url = WebUrl.parse(address)
    if url is None or url.scheme not in ("http", "https") or url.has_user or url.after:
        raise VaultSettingsWrong("VAULT_ADDR is not a URL", hint="write https://vault.example.com:8200")
    if url.scheme == "http" and not is_loopback(url.host):
        raise VaultSettingsWrong(
            f"VAULT_ADDR {address}: a token would go over plain http",
            hint="write https://, with VAULT_CACERT",
        )
    return address


def _identity(environment: Mapping[str, str]) -> Secret | AppRole:
    token = environment.get("VAULT_TOKEN") or _credential(environment, "vault-token")
    if token:
        return Secret(token)
    role_id = environment.get("VAULT_ROLE_ID")
    secret_id = environment.get("VAULT_SECRET_ID") or _credential(environment, "vault-secret-id")
    if role_id and secret_id:
        return AppRole(role_id, Secret(secret_id))
    raise VaultSettingsWrong(
        "VAULT_ADDR is set, and neither a token nor a role to log in with",
        hint="set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID; or give the credential vault-token",
    )


def _credential(environment: Mapping[str, str], name: str) -> str | None:
    folder = environment.get("CREDENTIALS_DIRECTORY")
    try:
        return Path(folder, name).read_text().strip() if folder else None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise VaultSettingsWrong(
            f"the credential {name} cannot be read: {type(error).__name__}",
            hint="it is one line of text, for the user of the unit alone",
        ) from None
