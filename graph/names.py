"""Which image of the graph a person means by a name."""

from __future__ import annotations

import sqlite3

from graph.errors import TrackerError, WrongUse
from graph.reference import ImageRef


class UnknownImage(TrackerError):
    """No image of that name has been recorded."""


def find_image(connection: sqlite3.Connection, text: str) -> tuple[int, str]:
    """The number and full name of the image that a person means by `text`, short where unambiguous."""
    reference = ImageRef.parse(text)
    for among in ("origin <> 'said'", "origin = 'said'"):  # a stranger's word hides no name of ours
        found = _find_among(connection, text, reference, among)
        if found is not None:
            return found
    raise UnknownImage(
        f"no image {reference} has been recorded",
        hint="'tracker images' lists the known ones; 'tracker build' records a new one",
    )


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
    query = (
        f"SELECT id, name FROM images WHERE (name GLOB ? OR name GLOB ?) AND {among} ORDER BY name LIMIT 20"
    )
    full, short = _glob(str(reference)), _glob(reference.familiar)
    found = connection.execute(query, (full, f"*/{short}")).fetchall()
    if not found and reference.digest is None and not text.endswith(f":{reference.tag}"):
        any_tag = [f"{name.removesuffix(':latest')}:*" for name in (full, short)]
        found = connection.execute(query, (any_tag[0], f"*/{any_tag[1]}")).fetchall()
    return [(int(image_id), str(name)) for image_id, name in found]


def _glob(name: str) -> str:
    """A pattern that means the name itself: a host may be `[::1]`."""
    return name.replace("[", "[[]")
