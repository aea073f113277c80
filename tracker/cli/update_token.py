"""The token for the endpoint of a base-image trigger, as it was typed. Keeps it nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rebuild.secrets.secret import Secret
from tracker.cli.task_options import source_of
from tracker.remote.secret_values import values_of

_OPTION = "--update-trigger-token"


def typed_token(typed: Mapping[str, Any]) -> Secret | None:
    """None where nothing was typed. Raises `SecretUnavailable`."""
    text = typed["update_trigger_token"]
    if not text:
        return None if text is None else Secret("")
    return Secret(values_of({_OPTION: source_of(text, _OPTION)})[_OPTION])
