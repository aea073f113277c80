"""Which image of the graph a person means by a name."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from graph.errors import TrackerError, WrongUse
from graph.reference import Digest, ImageRef


class UnknownImage(TrackerError):
    """No image of that name has been recorded."""


def find_image(connection: sqlite3.Connection, text: str) -> tuple[int, str]:
    """The number and full name of the image that a person means by `text`, short where unambiguous."""
    reference = ImageRef.parse(text)
    for among in ("origin <> 'said'", "origin = 'said'"):  # a stranger's word hides no name of ours
        found = _find_among(connection, text, reference, among)
        if found is not None:
            return found
    if reference.digest is not None:
        return _holding(connection, text, reference.digest)
    raise UnknownImage(
        f"no image {reference} has been recorded",
        hint="'tracker images' lists the known ones; 'tracker build' records a new one",
    )


def _holding(connection: sqlite3.Connection, text: str, digest: Digest) -> tuple[int, str]:
    """The image of `NAME@DIGEST`, as a build prints it, where the name holds that digest still."""
    image_id, name = find_image(connection, text.partition("@")[0])
    row = connection.execute(
        "SELECT coalesce(bd.value, od.value) FROM images i LEFT JOIN builds b ON b.id = i.build_id"
        " LEFT JOIN digests bd ON bd.id = b.digest_id LEFT JOIN observations o ON o.image_id = i.id"
        " LEFT JOIN digests od ON od.id = o.digest_id WHERE i.id = ?",
        (image_id,),
    ).fetchone()
    if row[0] == str(digest):
        return image_id, name
    holds = row[0] or "nothing that is known"
    raise UnknownImage(f"{name} holds {holds}, and not {digest}", hint=f"ask for {name}")


def _find_among(
    connection: sqlite3.Connection, text: str, reference: ImageRef, among: str
) -> tuple[int, str] | None:
    row = connection.execute(
        f"SELECT id, name FROM images WHERE name = ? AND {among}", (str(reference),)
    ).fetchone()
    if row is not None:
        return int(row[0]), str(row[1])
    candidates = _named_like(connection, text, reference, among)
    if len(candidates) > 1:
        names = ", ".join(name for _, name in candidates[:5]) + (", …" if len(candidates) > 5 else "")
        raise WrongUse(f"{text!r} is ambiguous: it may be {names}", hint="write the name in full")
    return candidates[0] if candidates else None


def _named_like(
    connection: sqlite3.Connection, text: str, reference: ImageRef, among: str
) -> list[tuple[int, str]]:
    """Images whose name ends as the text does; failing that, those of that repository under any one tag."""
    short = reference.familiar
    found = _among_these(connection, _ENDING, among, {"end": f"/{short}"})
    if not found and reference.digest is None and not text.endswith(f":{reference.tag}"):
        part = f"/{short.removesuffix(':latest')}:"
        found = _among_these(connection, _ANY_TAG, among, {"part": part, "name": reference.name})
    return found


# Each looks through one index: whole rows take twice as long, which counts among a hundred thousand images.
_ENDING = "SELECT id FROM images WHERE instr(name, :end) AND substr(name, -length(:end)) = :end"
_ANY_TAG = (
    "SELECT id FROM images WHERE instr(name, :part) UNION ALL"
    " SELECT id FROM images WHERE name > :name || ':' AND name < :name || ';'"  # the next character
)


def _among_these(
    connection: sqlite3.Connection, ids: str, among: str, values: Mapping[str, str]
) -> list[tuple[int, str]]:
    query = f"SELECT id, name FROM images WHERE id IN ({ids}) AND {among} ORDER BY name LIMIT 20"
    return [(int(image_id), str(name)) for image_id, name in connection.execute(query, values)]
