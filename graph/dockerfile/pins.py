"""Writes digests into a Dockerfile in place of the names that a scan found. Reads no instruction itself."""

from __future__ import annotations

from collections.abc import Mapping

from graph.dockerfile.fold import decode, encode
from graph.dockerfile.record import Base, Scan, Span
from graph.reference import Digest, ImageRef, Platform
from graph.words import Via


def pin(
    content: bytes,
    found: Scan,
    digests: Mapping[tuple[ImageRef, Platform], Digest],
    at_hand: Mapping[ImageRef, str] | None = None,
) -> bytes:
    """The same bytes, with `registry/repository@digest` where a reachable base is named.

    `content` is what `found` was read from. `digests` holds every reachable base by reference and platform;
    a base that is missing is a KeyError. One that has a digest already is written out, too: podman does not
    know by itself where `alpine@sha256:…` is, and the digest may be that of an index. Those that only the
    engine has are in `at_hand`, each with the name that the engine knows it by. The syntax line stays, it
    is the builder's own; so do ONBUILD triggers that only become part of the image. One that a later stage
    of the same file fires takes from its base in this build, and is pinned like any other.
    """
    text = decode(content)
    # BuildKit does not mind the case of a stage's name. podman does: it would look for an image of that name.
    edits = {span: text[span.start : span.end].lower() for span in found.upper_case_names}
    for base in found.bases:
        if not base.reachable or base.via is Via.SYNTAX:
            continue
        local_name = (at_hand or {}).get(base.reference)
        pinned = local_name or base.reference.with_digest(digests[base.reference, base.platform])
        edits[base.span] = f"{pinned}{_quotes(base, text)}"
    return encode(_edited(text, edits))


def _edited(text: str, edits: Mapping[Span, str]) -> str:
    parts: list[str] = []
    kept = 0
    for span in sorted(edits, key=lambda span: span.start):
        parts += [text[kept : span.start], edits[span]]
        kept = span.end
    return "".join((*parts, text[kept:]))


def _quotes(base: Base, text: str) -> str:
    """A flag's quotes may begin inside the name and end behind it, `--from=al"pine"`: they stay balanced."""
    if base.via is Via.FROM:
        return ""
    return "".join(c for c in text[base.span.start : base.span.end] if c in "'\"")
