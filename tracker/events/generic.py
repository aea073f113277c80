"""Our own form, for senders that no other kind knows.

`{"reference": "registry.example.com/a:1", "digest": "sha256:…"}` or a list of them; a digest may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graph.errors import InvalidReference
from graph.reference import Digest, ImageRef
from tracker.events.body import listed
from tracker.events.push import BadEvent, Push


def read_generic(body: Any, registry: str | None = None) -> Iterator[Push]:
    """One push for each entry. Whoever writes this form can mend it: one bad entry refuses all."""
    for number, entry in enumerate(listed(body, "the body") if isinstance(body, list) else [body], 1):
        reference = entry.get("reference") if isinstance(entry, dict) else None
        if not isinstance(reference, str):
            raise BadEvent(f'entry {number}: it is no object with a text "reference"')
        try:
            yield from _push(reference, entry.get("digest"), registry)
        except InvalidReference as error:
            raise BadEvent(f"entry {number}: {error.message}") from None


def _push(reference: str, digest: Any, registry: str | None) -> Iterator[Push]:
    """What names a digest alone moves no tag."""
    if digest is not None and not isinstance(digest, str):
        raise InvalidReference("the digest is no text")
    name = ImageRef.parse(reference, **({"default_registry": registry} if registry else {}))
    pointed_to = Digest.parse(digest) if digest else name.digest
    if name.tag is not None:
        yield Push(name.registry, name.repository, name.tag, pointed_to)
