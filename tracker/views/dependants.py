"""What stands on an image. Prints nothing."""

from __future__ import annotations

from typing import Any

from graph.dependants import Dependant, dependants_of
from graph.record import dataclass
from tracker.views.look import Look


@dataclass(frozen=True, slots=True)
class Above:
    """What stands on an image, nearest first, with the image's full name."""

    name: str
    dependants: list[Dependant]


def rdeps_view(look: Look, image: str) -> Above:
    image_id, name = look.image(image)
    return Above(name, dependants_of(look.sql, image_id))


def dependant_json(dependant: Dependant) -> dict[str, Any]:
    return {
        "reference": dependant.reference,
        "distance": dependant.distance,
        "role": dependant.role,
        "built_at": dependant.built_at,
        "said": dependant.said,
    }
