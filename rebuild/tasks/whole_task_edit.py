"""From what somebody asks of a whole task to the task: definition, triggers and timers together. Pure."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import field, replace
from enum import StrEnum

from graph.record import dataclass
from rebuild.tasks.stored_task import Secrets, WholeTask
from rebuild.tasks.task import check_name
from rebuild.tasks.task_edit import Asked, Usual, definition_of
from rebuild.tasks.timers import Timer
from rebuild.tasks.trigger_edit import (
    BaseImageAsked,
    SourceAsked,
    base_image_trigger,
    changed_source_trigger,
    source_trigger,
)
from rebuild.tasks.triggers import BaseImageTrigger


class Removable(StrEnum):
    """What can be taken from a task."""

    BASE_IMAGES = "base-image-trigger"
    SOURCE = "source-trigger"
    TIMERS = "timers"


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeAsked:
    """What is said of a task; None and nothing: it stays, or is as usual. The uses of secrets that are said
    become those given."""

    definition: Asked = field(default_factory=Asked)
    enabled: bool | None = None
    base_image_trigger: BaseImageAsked = field(default_factory=BaseImageAsked)
    source_trigger: SourceAsked = field(default_factory=SourceAsked)
    timers: tuple[Timer, ...] | None = None
    remove: Set[Removable] = frozenset()
    secrets: Secrets = field(default_factory=dict)


def new_task(name: str, asked: WholeAsked, usual: Usual) -> WholeTask:
    """Raises `WrongUse`."""
    check_name(name)
    definition = definition_of(asked.definition, usual)
    return WholeTask(
        name,
        definition,
        enabled=asked.enabled is not False,
        base_images=base_image_trigger(asked.base_image_trigger, BaseImageTrigger()),
        source=source_trigger(definition.context, asked.source_trigger, None),
        timers=asked.timers or (),
    )


def changed_task(old: WholeTask, asked: WholeAsked, usual: Usual) -> WholeTask:
    """Raises `WrongUse`."""
    definition = definition_of(asked.definition, usual, old.definition)
    kept_timers = () if Removable.TIMERS in asked.remove else old.timers
    wanted = replace(
        old,
        definition=definition,
        enabled=old.enabled if asked.enabled is None else asked.enabled,
        base_images=base_image_trigger(asked.base_image_trigger, old.base_images),
        source=changed_source_trigger(
            definition.context,
            asked.source_trigger,
            None if Removable.SOURCE in asked.remove else old.source,
            old.definition.context,
        ),
        timers=kept_timers if asked.timers is None else asked.timers,
    )
    if Removable.BASE_IMAGES in asked.remove:
        return replace(wanted, base_images=BaseImageTrigger(enabled=False))
    return wanted
