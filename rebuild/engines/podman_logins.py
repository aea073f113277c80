"""Shows podman the logins that docker keeps in one helper for all registries, which podman does not look for.

podman reads the `auths` and the `credHelpers` of docker's config.json, and leaves `credsStore` out.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from graph.reference import DEFAULT_REGISTRY
from rebuild.engines.surroundings import Surroundings

_PINNED = re.compile(r"(?<![\w.:-])([A-Za-z0-9.:\[\]-]+)/[\w./-]+@sha256:")


def pinned_registries(dockerfile: str) -> frozenset[str]:
    """The registries of the bases in a pinned Dockerfile."""
    return frozenset(_PINNED.findall(dockerfile))


def with_helpers(around: Surroundings, registries: frozenset[str], folder: Path) -> Surroundings:
    """The same, where the helper of `credsStore` is named for each of these registries.

    The file for that is written to `folder`, which the caller removes. Docker Hub is left out: docker's
    helpers have its login under an address for which podman does not ask.
    """
    config = _read(around.auth_file)
    store, auths = config.get("credsStore"), config.get("auths") or {}
    asked = {registry for registry in registries - {DEFAULT_REGISTRY} if not auths.get(registry)}
    if not isinstance(store, str) or not store or not asked:
        return around
    if asked == registries:
        config.pop("auths", None)  # no login is copied that nobody asks for
    config["credHelpers"] = dict.fromkeys(sorted(asked), store) | (config.get("credHelpers") or {})
    path = folder / "logins.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(config, file)
    return replace(around, auth_file=path)


def _read(path: Path | None) -> dict[str, Any]:
    """Empty where there is nothing to read: podman tells what is wrong with a file."""
    try:
        config = json.loads(path.read_bytes()) if path is not None else {}
    except (OSError, ValueError, RecursionError):
        return {}
    is_sound = isinstance(config, dict) and all(
        isinstance(config.get(key) or {}, dict) for key in ("auths", "credHelpers")
    )
    return config if is_sound else {}
