"""`tracker config`: check the settings, show those that count and whence, and where senders send to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.table import print_json
from tracker.settings.written import Written, duration_text, read_written
from tracker.state import find_config, find_state, usual_configs

if TYPE_CHECKING:  # `config check` has no need of it
    from tracker.settings.senders import Addressed

Name = tuple[str, ...]


@click.group()
def config() -> None:
    """Check or show the settings."""


@config.command("check")
@click.pass_obj
def check_settings(place: Place) -> None:
    """Check every setting; print all faults at once, each with its path, and exit with 2.

    A file that a setting names must be there, unless systemd puts it below /run/credentials.
    """
    from tracker.settings.named_files import unreadable_files
    from tracker.settings.reading import check, refusal

    path, written = _read(place)
    missing = [file for file in unreadable_files(check(written, path)) if file.is_missing_for_all]
    if missing:
        raise refusal(path, missing, hint="make these files, or name others")
    variables = f", and {', '.join(written.variables)}" if written.variables else ""
    click.echo(f"ok: {_where(path)}{variables}")


@config.command("show")
@json_option("Print them as JSON, times in seconds.")
@click.pass_obj
def show(place: Place, as_json: bool) -> None:
    """Show the settings that count, as TOML, each with where it came from. Secrets are shown as ***."""
    from msgspec import to_builtins

    from tracker.settings.reading import check

    path, written = _read(place)
    values = dict(_flat(to_builtins(check(written, path), enc_hook=str)))
    folder = find_state(place.state, path).folder
    if as_json:
        print_json(
            {
                "file": str(path) if path else None,
                "state_folder": str(folder),
                "settings": _json(values, written),
            }
        )
        return
    click.echo(f"# {_where(path)}\n# state folder: {folder}")
    for line in _toml(values, written):
        click.echo(line)


@config.command("events")
@click.option("--url", help="How senders reach the service. Default: http:// and the setting serve.listen.")
@json_option("Print one JSON array.")
@click.pass_obj
def event_addresses(place: Place, url: str | None, as_json: bool) -> None:
    """Show where each sender of events of registries and repositories sends to, and how it proves itself.

    An address with a long token in it is as good as the secret: whoever knows it may send.
    """
    from tracker.settings.reading import check
    from tracker.settings.senders import addressed

    path, written = _read(place)
    settings = check(written, path)
    base = (url or f"http://{settings.serve.listen}").rstrip("/")
    senders = addressed(settings.events, settings.hooks)
    if as_json:
        print_json([_sender_row(sender, base) for sender in senders])
        return
    for sender in senders:
        click.echo(f"{sender.section}.{sender.name} ({sender.kind}): {sender.proof}")
        for address in sender.addresses:
            click.echo(f"  {base}{address}")


def _sender_row(sender: Addressed, base: str) -> dict[str, Any]:
    return {
        "section": sender.section,
        "name": sender.name,
        "kind": sender.kind,
        "addresses": [base + address for address in sender.addresses],
        "proof": sender.proof,
    }


def _read(place: Place) -> tuple[Path | None, Written]:
    path = find_config(place.config)
    return path, read_written(path)


def _where(path: Path | None) -> str:
    if path:
        return f"settings file {path}"
    return f"no settings file at {' or '.join(map(str, usual_configs()))}: defaults"


def _flat(values: Mapping[str, Any], before: Name = ()) -> Iterator[tuple[Name, Any]]:
    """Every setting with the parts of its name."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*before, key))
        else:
            yield (*before, key), value


def _json(values: Mapping[Name, Any], written: Written) -> dict[str, Any]:
    return {
        ".".join(name): {"value": value, "from": _origin(name, written)} for name, value in values.items()
    }


def _toml(values: Mapping[Name, Any], written: Written) -> Iterator[str]:
    section: Name = ()
    for name, value in values.items():
        if name[:-1] != section:
            section = name[:-1]
            yield f"\n[{'.'.join(map(_key, section))}]"
        if value is None:
            yield f"# {name[-1]} is not set"
        else:
            yield f"{f'{name[-1]} = {_toml_value(value)}':<38}  # {_origin(name, written)}"


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    if isinstance(value, float):  # every setting with a fraction is a time
        return f'"{duration_text(value)}"'
    return json.dumps(value)


def _key(part: str) -> str:
    return part if part.replace("_", "").isalnum() else json.dumps(part)


def _origin(name: Name, written: Written) -> str:
    return written.origins.get(".".join(name), "default")
