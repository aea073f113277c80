"""What was typed for one run of a task, whoever carries the run out. Asks nobody and reads no table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graph.errors import WrongUse
from rebuild.runs.override import Override
from rebuild.secrets.secret_source import Source
from rebuild.secrets.task_secrets import SecretUse
from tracker.cli.task_options import asked_of, secrets_of

_OPTIONS = {SecretUse.BUILD: "--secret-arg", SecretUse.VALUE: "--set-secret"}


def override_of(typed: Mapping[str, Any], *, saved_context: str) -> Override:
    """Its context is as it was typed. A file for a task without a context is one of this machine."""
    asked = asked_of(typed, os.environ, context=saved_context)
    return Override(
        context=asked.context,
        file=asked.file,
        text=asked.inline,
        build_args=asked.build_args or {},
        values=asked.values or {},
        target=asked.target,
    )


def typed_secrets(name: str, typed: Mapping[str, Any], use: SecretUse) -> Mapping[str, Source]:
    """The secrets for a task whose secrets are of that use. Raises `WrongUse` for those of another use."""
    found = secrets_of({**typed, "git_token": None, "ssh_key": None, "context": None}, os.environ)
    for other, option in _OPTIONS.items():
        if other is not use and found.get(other):
            what = "a Dockerfile" if use is SecretUse.BUILD else "a task file"
            raise WrongUse(
                f"{option}: task {name} has {what}, and no use for it", hint=f"give {_OPTIONS[use]} instead"
            )
    return found.get(use, {})
