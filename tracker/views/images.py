"""Every image of the graph, with its task. Prints nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph.listing import Listed, list_images
from graph.record import dataclass
from tracker.views.look import Look


@dataclass(frozen=True, slots=True)
class AllImages:
    """Every image, and the names of the tasks that build them."""

    images: list[Listed]
    tasks: dict[int, str]


def images_view(look: Look) -> AllImages:
    found = list_images(look.sql)
    return AllImages(found, look.task_names({image.task_id for image in found if image.task_id is not None}))


def image_json(image: Listed, tasks: Mapping[int, str]) -> dict[str, Any]:
    return {
        "reference": image.reference,
        "origin": image.origin,
        "digest": image.digest,
        "built_at": image.built_at,
        "bases": image.bases,
        "dependants": image.dependants,
        "task": tasks.get(image.task_id) if image.task_id is not None else None,
    }
