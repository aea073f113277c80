"""The JSON form of a build that is about to be pushed, kept so that a crash can tell what was done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from graph.clock import from_text, to_text
from graph.model import BuildRecord, Followed, Manifests, RecordedBase
from graph.reference import Digest, ImageRef, Platform
from graph.words import Role, Via


def to_json(record: BuildRecord) -> str:
    return json.dumps(_to_plain(record))


def from_json(text: str) -> BuildRecord:
    """The record as it was before the push: `manifests` is None."""
    return _from_plain(json.loads(text))


def steps_to_json(by_step: Mapping[str, Sequence[BuildRecord]]) -> str:
    """The same for a run of a task file: the records of each step that pushes, in the order of its names."""
    return json.dumps({step: [_to_plain(record) for record in records] for step, records in by_step.items()})


def steps_from_json(text: str) -> dict[str, tuple[BuildRecord, ...]]:
    return {step: tuple(map(_from_plain, records)) for step, records in json.loads(text).items()}


def _to_plain(record: BuildRecord) -> dict[str, Any]:
    return {
        "images": [str(image) for image in record.images],
        "content_id": str(record.content_id),
        "platforms": [str(platform) for platform in record.platforms],
        "bases": [_base_to_plain(base) for base in record.bases],
        "resolved_at": to_text(record.resolved_at),
        "built_at": to_text(record.built_at),
        "duration_s": record.duration_s,
        "step": record.step,
    }


def _from_plain(plain: dict[str, Any]) -> BuildRecord:
    return BuildRecord(
        images=tuple(ImageRef.parse(image) for image in plain["images"]),
        manifests=None,
        content_id=Digest.parse(plain["content_id"]),
        platforms=_platforms(plain["platforms"]),
        bases=tuple(_base_from_plain(base) for base in plain["bases"]),
        resolved_at=from_text(plain["resolved_at"]),
        built_at=from_text(plain["built_at"]),
        duration_s=plain["duration_s"],
        step=plain.get("step", ""),
    )


def _base_to_plain(base: RecordedBase) -> dict[str, Any]:
    return {
        "reference": str(base.reference),
        "role": base.role,
        "via": base.via,
        "stage": base.stage,
        "line": base.line,
        "digest": str(base.manifests.digest),
        "manifests": {str(platform): str(digest) for platform, digest in base.manifests.platforms.items()},
        "platforms": [str(platform) for platform in base.platforms],
        "followed": base.followed and [base.followed.rule, str(base.followed.written)],
    }


def _base_from_plain(plain: dict[str, Any]) -> RecordedBase:
    held = {Platform.parse(text): Digest.parse(digest) for text, digest in plain["manifests"].items()}
    return RecordedBase(
        ImageRef.parse(plain["reference"]),
        Role(plain["role"]),
        Via(plain["via"]),
        plain["stage"],
        plain["line"],
        Manifests(Digest.parse(plain["digest"]), held),
        _platforms(plain["platforms"]),
        _followed(plain.get("followed")),
    )


def _followed(plain: list[str] | None) -> Followed | None:
    return Followed(plain[0], ImageRef.parse(plain[1])) if plain else None


def _platforms(texts: list[str]) -> tuple[Platform, ...]:
    return tuple(Platform.parse(text) for text in texts)
