"""The lists at the head of a task file: secrets, networks, volumes. Knows no step and fetches no secret."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Iterable, Iterator

from graph.record import dataclass
from rebuild.secrets.secret import Secret
from rebuild.taskfile.environment import Written
from rebuild.taskfile.fields import Fields
from rebuild.taskfile.model import Network, SecretSource, Volume, VolumeFile
from rebuild.taskfile.problem import Problems, shown

_VOLUME_NAME = re.compile(r"[a-zA-Z0-9_-]{1,200}")
_FILE_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,200}")
_DRIVERS = ("", "bridge", "nat")  # nat is what Windows calls its bridges
_NETWORK_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")


@dataclass(slots=True)
class _Once:
    """Notices names that come twice."""

    what: str
    seen: dict[str, int]

    def check(self, fields: Fields, key: str, name: str) -> None:
        if name in self.seen:
            first = self.seen[name]
            fields.fault(key, f"there are two {self.what} {shown(name)}; the first is in line {first}")
        self.seen.setdefault(name, fields.line)


def read_secrets(task: Fields) -> Iterator[SecretSource]:
    once = _Once("secrets of the id", {})
    for fields in task.maps("secrets", "a secret"):
        fields.check_keys(("id", "keyvault", "clientID"))
        name, keyvault, client = (fields.text(key) for key in ("id", "keyvault", "clientID"))
        if not name:
            fields.fault("id", "a secret has no id", hint="its id is what {{.Secrets.ID}} names")
        elif any(c.isspace() for c in name):
            fields.fault("id", f"the id {shown(name)} of a secret contains white space")
        else:
            once.check(fields, "id", name)
        if not keyvault:
            fields.fault(
                "keyvault", f"secret {shown(name)} has no keyvault", hint="give the URL of the secret"
            )
        if client and not _is_uuid(client):
            fields.fault("clientID", f"clientID {shown(client)} of secret {shown(name)} is not a UUID")
        yield SecretSource(name, keyvault, client or None)


def read_networks(task: Fields) -> Iterator[Network]:
    once = _Once("networks called", {})
    for fields in task.maps("networks", "a network"):
        fields.check_keys(("name", "driver", "ipv6", "skipCreation", "isDefault"))
        name = fields.text("name")
        if not name:
            fields.fault("name", "a network has no name")
        elif not _NETWORK_NAME.fullmatch(name):
            rule = "a name begins with a letter or digit and has letters, digits, '_', '.', '-'"
            fields.fault("name", f"network name {shown(name)} is not valid: {rule}")
        else:
            once.check(fields, "name", name)
        driver, is_there = fields.text("driver"), fields.switch("skipCreation")
        if driver not in _DRIVERS and not is_there:
            rule = f"network {shown(name)} asks for the driver {shown(driver)}: a task makes bridges only"
            hint = "let the operator make it, and write skipCreation: true"
            fields.fault("driver", rule, hint=hint)
        yield Network(
            name,
            driver=driver,
            ipv6=fields.switch("ipv6"),
            skip_creation=is_there,
            is_default=fields.switch("isDefault"),
        )


def read_volumes(task: Fields, problems: Problems) -> Iterator[Volume]:
    once = _Once("volumes called", {})
    for fields in task.maps("volumes", "a volume"):
        fields.check_keys(("name", "secret"))
        name = fields.text("name")
        if not name:
            fields.fault("name", "a volume has no name")
        elif not _VOLUME_NAME.fullmatch(name):
            fields.fault(
                "name", f"volume name {shown(name)} has other characters than letters, digits, '-' and '_'"
            )
        else:
            once.check(fields, "name", name)
        files = fields.map_of_texts("secret")
        if not files:
            fields.fault(
                "secret",
                f"volume {shown(name)} has no files",
                hint="write secret: with a map of file names and their contents in base64",
            )
        yield Volume(name, tuple(_files(name, files.items(), problems)))


def _files(volume: str, files: Iterable[tuple[str, Written]], problems: Problems) -> Iterator[VolumeFile]:
    for name, content in files:
        if not _FILE_NAME.fullmatch(name) or set(name) == {"."}:
            rule = "a name has letters, digits, '-', '_', '.', and is not made of dots alone"
            problems.fault(
                content.line, f"file name {shown(name)} of volume {shown(volume)} is not valid: {rule}"
            )
        elif not _is_base64(content.text):
            problems.fault(
                content.line,
                f"file {shown(name)} of volume {shown(volume)} is not base64",
                hint="write {{ VALUE | b64enc }}",
            )
        else:
            yield VolumeFile(name, Secret(content.text))


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
