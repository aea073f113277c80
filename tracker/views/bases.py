"""The tree of bases of an image, and whether each is what it was. Prints nothing."""

from __future__ import annotations

from typing import Any

from graph.ancestry import Base, Image, bases_of
from tracker.views.look import Look


def deps_view(look: Look, image: str) -> Image:
    image_id, _ = look.image(image)
    return bases_of(look.sql, image_id)


def image_fresh(image: Image) -> bool | None:
    """Whether all its bases are what they were: None where one was never observed and none has moved."""
    states = [base_fresh(base) for base in image.bases if not base.said]
    if False in states:
        return False
    return None if None in states else True


def base_fresh(base: Base) -> bool | None:
    """None also where the base was only said: nobody compares that."""
    return base.fresh if base.observed_digest and not base.said else None


def tree_json(image: Image) -> dict[str, Any]:
    return {
        "reference": image.reference,
        "digest": image.digest,
        "built_at": image.built_at,
        "step": image.step or None,
        "fresh": image_fresh(image),
        "bases": [_base_json(base) for base in image.bases],
    }


def tag_json(base: Base) -> dict[str, Any]:
    """The rule by which the base follows newer tags, and the tag beside a pinned digest; null for neither."""
    following, pinned = base.following, base.pinned_tag
    return {
        "following": following
        and {
            "written": following.written,
            "rule": following.rule,
            "newer": following.newer,
            "newer_digest": following.newer_digest,
            "since": following.since,
        },
        "pinned_tag": pinned
        and {
            "reference": pinned.reference,
            "digest": pinned.digest,
            "since": pinned.since,
            "same": pinned.same,
        },
    }


def _base_json(base: Base) -> dict[str, Any]:
    return {
        "reference": base.reference,
        "role": base.role,
        "via": base.via,
        "stage": base.stage,
        "line": base.line,
        "recorded_digest": base.recorded_digest,
        "recorded_platform_digests": dict(base.recorded_platform_digests),
        "observed_digest": base.observed_digest,
        "fresh": base_fresh(base),
        **tag_json(base),
        "bases": [_base_json(inner) for inner in base.image.bases],
    }
