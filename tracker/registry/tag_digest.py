"""Asks one registry what a tag points to: by HEAD, by GET where that tells nothing. Repeats nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from graph.errors import InvalidReference
from graph.reference import Digest, ImageRef
from rebuild.images.registry import RegistryRefused, RegistryUnavailable
from tracker.registry.host import Host
from tracker.registry.manifest import is_index, read_object
from tracker.registry.wire import Answer, Asked


async def ask_digest(
    host: Host, reference: ImageRef, make: Callable[[str], Asked], *, keeps_pulls: bool
) -> tuple[Digest | None, Answer]:
    """The digest, None where the answer is that nothing has changed, and that answer.

    `make` makes the request with a method. A GET counts as a pull at some registries: with `keeps_pulls`
    it is not sent where those that are left are kept for builds.
    """
    repository, heads = reference.repository, host.heads
    untold: int | None = None
    if heads.are_of_use(repository):
        asked = replace(make("HEAD"), judged=heads.doubtful(repository))
        answer = await host.ask(repository, asked)
        digest = _said(reference, answer) if answer.status == 200 else None
        if answer.status == 304 or digest is not None:
            heads.answered(repository)
            return digest, answer
        untold = answer.status
    if keeps_pulls:
        host.budget().check_pull()
    answer = await host.ask(repository, make("GET"))
    digest = None if answer.status == 304 else _found(reference, answer)
    if untold is not None:
        heads.failed(repository, untold)
    return digest, answer


def _found(reference: ImageRef, answer: Answer) -> Digest:
    """The digest of the manifest in the answer, which is that of the header if there is one."""
    if not _is_manifest(reference, answer.body):  # of a proxy, say, that tells of a fault with status 200
        raise RegistryUnavailable(f"{reference}: the registry's answer is no manifest")
    said = _said(reference, answer)
    named = said or reference.digest
    algorithm = named.algorithm if named else "sha256"
    found = Digest(algorithm, hashlib.new(algorithm, answer.body).hexdigest())
    if said is not None and said != found:
        rule = f"the registry's answer has the digest {found.short}, and its header says {said.short}"
        raise RegistryUnavailable(f"{reference}: {rule}")
    return found


def _is_manifest(reference: ImageRef, body: bytes) -> bool:
    try:
        document = read_object(str(reference), body)
        is_index(str(reference), document)
    except RegistryRefused:
        return False
    return "schemaVersion" in document


def _said(reference: ImageRef, answer: Answer) -> Digest | None:
    """What the header says, None where there is none."""
    text = answer.headers.get("docker-content-digest")
    if text is None:
        return None
    try:
        return Digest.parse(text)
    except InvalidReference as error:
        raise RegistryUnavailable(f"{reference}: the registry's {error.message[:200]}") from None
