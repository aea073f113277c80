"""Where a secret comes from, as a value and as the text that people write. Reads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.secrets.secret import Secret
from rebuild.secrets.web_url import WebUrl

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.:-]{1,255}")
_VAULT = re.compile(r"[A-Za-z0-9_.~@ +-]+(?:/[A-Za-z0-9_.~@ +-]+)+")
_KEYVAULT_PATH = re.compile(r"/secrets/([0-9A-Za-z-]{1,127})(?:/([0-9A-Za-z]{1,64}))?/?")
_KEYVAULT_HOSTS = (
    ".vault.azure.net",
    ".vault.azure.cn",
    ".vault.usgovcloudapi.net",
    ".vault.microsoftazure.de",
)


class SourceRefused(WrongUse):
    """A text that is no source of a secret; what may be a secret in it is not shown."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """The value itself."""

    value: Secret

    def __str__(self) -> str:
        return "opaque"


@dataclass(frozen=True, slots=True)
class FromFile:
    path: Path

    def __str__(self) -> str:
        return f"file:{self.path}"


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    name: str

    def __str__(self) -> str:
        return f"env:{self.name}"


@dataclass(frozen=True, slots=True)
class FromCredential:
    """A credential that systemd hands to the service."""

    name: str

    def __str__(self) -> str:
        return f"credential:{self.name}"


@dataclass(frozen=True, slots=True)
class FromVault:
    """One key of a secret in HashiCorp Vault; the path begins with the mount."""

    path: str
    key: str

    def __str__(self) -> str:
        return f"vault:{self.path}#{self.key}"


@dataclass(frozen=True, slots=True)
class FromKeyVault:
    """A secret of Azure Key Vault, as task files name it; the operator says what stands for it."""

    host: str
    name: str
    version: str | None = None

    def __str__(self) -> str:
        return f"https://{self.host}/secrets/{self.name}" + (f"/{self.version}" if self.version else "")


Source = Opaque | FromFile | FromEnvironment | FromCredential | FromVault | FromKeyVault


def parse_source(text: str) -> Source:
    """`file:/PATH`, `env:NAME`, `credential:NAME`, `vault:PATH#KEY`, an Azure Key Vault URL, `opaque:VALUE`;
    every other text is the value itself. Raises `SourceRefused`.
    """
    kind, colon, rest = text.partition(":")
    if colon:
        match kind:
            case "opaque":
                return Opaque(Secret(rest))
            case "file":
                return _file(rest)
            case "env":
                return FromEnvironment(_matching(_NAME, rest, "env:NAME", "the name of a variable"))
            case "credential":
                return FromCredential(_credential(rest))
            case "vault":
                return _vault(rest)
            case "https" if _is_keyvault(text):
                return parse_keyvault(text)
            case _:
                pass
    return Opaque(Secret(text))


def parse_keyvault(url: str) -> FromKeyVault:
    """A `keyvault:` of a task file: https, `/secrets/NAME[/VERSION]`. Raises `SourceRefused`."""
    parts = WebUrl.parse(url)
    found = _KEYVAULT_PATH.fullmatch(parts.path) if parts else None
    if parts is None or found is None or parts.scheme != "https" or parts.has_user or parts.after:
        raise SourceRefused(
            f"keyvault {url[:200]!r} is not the URL of a secret",
            hint="write https://VAULT.vault.azure.net/secrets/NAME",
        )
    return FromKeyVault(parts.authority, found[1], found[2])


def _is_keyvault(url: str) -> bool:
    parts = WebUrl.parse(url)
    return parts is not None and not parts.has_user and parts.authority.endswith(_KEYVAULT_HOSTS)


def mapped(source: FromKeyVault, table: Mapping[str, str]) -> Source:
    """What the operator put in the place of a Key Vault secret; the longest prefix of its URL decides.

    `table` maps prefixes to sources in which `{name}` and `{version}` stand for those of the URL.
    Raises `SourceRefused`.
    """
    url = str(source)
    prefixes = [prefix for prefix in table if _begins(url, prefix)]
    if not prefixes:
        raise SourceRefused(
            f"{url} is a secret of Azure Key Vault, which tracker does not ask",
            hint="say what stands for it, in the setting secrets.keyvaults: "
            f'"https://{source.host} = vault:secret/acr/{{name}}#value"',
        )
    target = table[max(prefixes, key=len)]
    if source.version and "{version}" not in target and url not in prefixes:
        raise SourceRefused(
            f"{url} asks for one version, and {target} has none",
            hint="put {version} into the setting, map this URL as a whole, or leave the version out",
        )
    return parse_source(target.replace("{name}", source.name).replace("{version}", source.version or ""))


def read_keyvaults(lines: Iterable[str]) -> dict[str, str]:
    """The table for `mapped` out of lines `URL = SOURCE`. Raises `SourceRefused`."""
    table = {}
    for line in lines:
        prefix, _, target = (part.strip() for part in line.partition("="))
        if not prefix.startswith("https://"):
            raise SourceRefused(
                f"{prefix[:200]!r} is no beginning of a Key Vault URL",
                hint="write https://VAULT.vault.azure.net = vault:secret/acr/{name}#value",
            )
        written = parse_source(target.replace("{name}", "name").replace("{version}", "1"))
        if isinstance(written, Opaque | FromKeyVault):
            raise SourceRefused(
                f"{prefix}: its target is not a source",
                hint="write file:/PATH, env:NAME, credential:NAME or vault:PATH#KEY",
            )
        table[prefix] = target
    return table


def _begins(url: str, prefix: str) -> bool:
    whole = prefix.rstrip("/")
    return url == whole or url.startswith(f"{whole}/")


def _file(text: str) -> FromFile:
    path = Path(text)
    if not path.is_absolute() or "\0" in text or ".." in path.parts:
        raise SourceRefused(f"file:{text[:200]} is not a whole path", hint="write file:/PATH, without '..'")
    return FromFile(path)


def _credential(text: str) -> str:
    if text in (".", ".."):
        text = ""
    return _matching(_CREDENTIAL, text, "credential:NAME", "a name as in LoadCredential=NAME:PATH")


def _vault(text: str) -> FromVault:
    path, _, key = text.partition("#")
    parts = path.split("/")
    if not key or not key.isprintable() or not _VAULT.fullmatch(path) or {".", ".."} & set(parts):
        raise SourceRefused(
            f"vault:{path[:200]} does not name one key of a secret",
            hint="write vault:MOUNT/PATH#KEY, such as vault:secret/shop/db#password",
        )
    return FromVault(path, key)


def _matching(pattern: re.Pattern[str], text: str, form: str, rule: str) -> str:
    if not pattern.fullmatch(text):
        raise SourceRefused(f"{form.partition(':')[0]}:{text[:80]} is not {rule}", hint=f"write {form}")
    return text
