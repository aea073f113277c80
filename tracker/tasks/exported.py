"""From a saved task, as `tracker task show --json` has it, to how it is declared in YAML. Reads no table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from graph.record import dataclass
from rebuild.secrets.secret import HIDDEN
from rebuild.secrets.task_secrets import SecretUse
from rebuild.tasks.task_edit import NO_CONTEXT, repository_of
from rebuild.tasks.timers import UTC
from rebuild.tasks.triggers import BaseImageTrigger, SourceTrigger

_OPAQUE = "opaque"
_BY_NAME = {SecretUse.BUILD: "secret_args", SecretUse.VALUE: "secret_values"}
_ALONE = {
    SecretUse.GIT: "git_access_token",
    SecretUse.SSH: "git_ssh_key",
    SecretUse.QUERY: "context_query",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """One task as it is declared; `left_out` is kept as values, which nobody is told."""

    document: Mapping[str, Any]
    left_out: tuple[str, ...]


class _Dumper(yaml.SafeDumper):
    """Several lines as a block, as people write them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def exported(plain: Mapping[str, Any]) -> Exported:
    """What is as usual is left out."""
    secrets, opaque = _secrets(plain["secrets"])
    credentials, hidden = _credentials(plain["credentials"])
    document = {
        "name": plain["name"],
        "context": _context(plain["context"]),
        **_step(plain["step"]),
        "platform": plain["platform"],
        "timeout": _timeout(plain["timeout_s"]),
        "status": None if plain["status"] == "Enabled" else plain["status"],
        "timers": [_timer(timer) for timer in plain["timers"]],
        "base_image_trigger": _base_image(plain["base_image_trigger"]),
        "source_trigger": _source(plain["source_trigger"], plain["context"]),
        **secrets,
        "credentials": credentials,
    }
    said = {key: value for key, value in document.items() if value not in (None, "", [], {})}
    return Exported(said, (*opaque, *hidden))


def as_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _context(text: str) -> str | None:
    return None if text == NO_CONTEXT else text.removesuffix(f"?{HIDDEN}")


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    match step["kind"]:
        case "docker":
            return {
                "file": step["dockerfile"],
                "images": step["images"],
                "args": step["build_args"],
                "target": step["target"],
                "push": None if step["push"] else False,
                "no_cache": True if step["no_cache"] else None,
            }
        case "file":
            return {"file": step["file"], "values_file": step["values_file"], "values": step["values"]}
        case _:
            return {
                "task_file": step["text"],
                "values_text": step["values_text"],
                "values": step["values"],
            }


def _timeout(timeout_s: float) -> int | str:
    return int(timeout_s) if timeout_s.is_integer() else f"{timeout_s * 1000:.0f}ms"


def _timer(timer: Mapping[str, Any]) -> dict[str, Any]:
    enabled = {} if timer["enabled"] else {"enabled": False}
    zone = {} if timer["time_zone"] == UTC else {"time_zone": timer["time_zone"]}
    return {"name": timer["name"], "schedule": timer["schedule"], **zone, **enabled}


def _base_image(trigger: Mapping[str, Any]) -> dict[str, Any]:
    usual = BaseImageTrigger()
    as_usual = {
        "name": usual.name,
        "enabled": usual.enabled,
        "type": str(usual.bases),
        "update_endpoint": usual.endpoint,
        "update_payload": str(usual.payload),
        "syntax": usual.syntax,
        "follow": [],
    }
    return {key: value for key, value in trigger.items() if value != as_usual[key]}


def _source(trigger: Mapping[str, Any] | None, context: str) -> dict[str, Any]:
    """A repository without a trigger says so: else it would have one."""
    if trigger is None:
        return {} if repository_of(context) is None else {"commit": False}
    usual = SourceTrigger()
    as_usual = {"name": usual.name, "commit": usual.commits, "pull_request": usual.pull_requests}
    not_declared = ("enabled", "branch")  # nobody says the one, and the context says the other
    return {
        key: value for key, value in trigger.items() if key not in not_declared and value != as_usual.get(key)
    }


def _secrets(stored: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """The sources by the keys that declare them, and the keys of which some are values."""
    found: dict[str, Any] = {}
    for one in stored:
        use = SecretUse(one["use"])
        if use in _BY_NAME:
            found.setdefault(_BY_NAME[use], {})[one["name"]] = one["source"]
        elif use in _ALONE:
            found[_ALONE[use]] = one["source"]
    opaque = [
        key
        for key, told in found.items()
        if _OPAQUE in (told.values() if isinstance(told, dict) else (told,))
    ]
    return {key: told for key, told in found.items() if key not in opaque}, opaque


def _credentials(stored: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """They are declared all together or not at all."""
    keys = ("registry", "username", "password")
    told = [{key: one[key] for key in keys if one[key]} for one in stored]
    return ([], ["credentials"]) if any(_OPAQUE in one.values() for one in told) else (told, [])
