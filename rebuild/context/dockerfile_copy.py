"""The name of a Dockerfile's second copy in a packed context, as `az acr` has it. Packs nothing."""

from __future__ import annotations

import hashlib
import re

_COPY = re.compile(r"[0-9a-f]{32}_(?P<name>.+)", re.DOTALL)


def name_of_copy(content: bytes, name: str) -> str:
    """`<hex>_<name>`: the same content has the same name, and no file of the folder has it by chance."""
    return f"{hashlib.sha256(content).hexdigest()[:32]}_{name}"


def name_as_typed(name: str) -> str:
    """The name without what a copy has in front of it."""
    found = _COPY.fullmatch(name)
    return found["name"] if found else name
