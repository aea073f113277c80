"""What callers may ask of a saved task, field by field, and what that means. Saves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from rebuild.context.where import Source as ContextSource
from rebuild.runs.definition import Definition
from rebuild.secrets.context_secrets import ContextSecrets, kept_with_task
from rebuild.secrets.credentials import registry_of
from rebuild.secrets.secret_source import Source, parse_source
from rebuild.secrets.task_secrets import SecretUse
from rebuild.tasks.stored_task import Secrets, WholeTask
from rebuild.tasks.task_edit import Asked
from rebuild.tasks.timers import UTC, Timer
from rebuild.tasks.trigger_edit import (
    BaseImageAsked,
    SourceAsked,
    base_image_trigger,
    changed_source_trigger,
    source_trigger,
)
from rebuild.tasks.triggers import BaseImageTrigger, SourceTrigger
from rebuild.tasks.whole_task_edit import Removable, WholeAsked
from tracker.api.auth import Caller
from tracker.api.v1.asked import LongText, Name, SavedAsked, SecretText, Strict, Text, context_of
from tracker.sources.webhooks import HookAsked
from tracker.tasks.declared import DeclaredCredential
from tracker.tasks.parts import CredentialAsked, TimerAsked, timer_of
from tracker.tasks.task_files import FILES_MOST

ENTRIES_MOST = 1000  # of any list or map
TEXT_MOST = 1024 * 1024
INSTEAD = "a task outlives an upload: put the files where the service can fetch them"


class TimerGiven(Strict):
    """A timer; its schedule has minute, hour, day, month and weekday."""

    name: Name
    schedule: Annotated[Text, Field(examples=["0 21 * * *"])]
    enabled: bool = True
    time_zone: Name = UTC

    def timer(self) -> Timer:
        return timer_of(self.name, self.asked())

    def asked(self) -> TimerAsked:
        return TimerAsked(schedule=self.schedule, enabled=self.enabled, time_zone=self.time_zone)


class TimerChange(Strict):
    """What of a timer is to change."""

    schedule: Text | None = None
    enabled: bool | None = None
    time_zone: Name | None = None

    def asked(self) -> TimerAsked:
        return TimerAsked(schedule=self.schedule, enabled=self.enabled, time_zone=self.time_zone)


class CredentialChange(Strict):
    """What of a credential is to change: values, or sources such as `vault:PATH#KEY` that are read there."""

    username: SecretText | None = None
    password: SecretText | None = None

    def asked(self) -> CredentialAsked:
        return CredentialAsked(username=_source(self.username), password=_source(self.password))


class CredentialGiven(Strict):
    """Who a task is to one registry. Without a user name the password is a token."""

    registry: Name
    username: SecretText | None = None
    password: SecretText

    def asked(self) -> CredentialAsked:
        return CredentialAsked(username=_source(self.username), password=_source(self.password))

    def declared(self) -> DeclaredCredential:
        source = parse_source(self.password.get_secret_value())
        return DeclaredCredential(registry_of(self.registry), _source(self.username), source)


Timers = Annotated[list[TimerGiven], Field(max_length=100)]
Credentials = Annotated[list[CredentialGiven], Field(max_length=100)]


class TaskChange(Strict):
    """What of a task is to change; what is not said stays.

    `secrets` are by use and name: values, or sources such as `vault:PATH#KEY` that the service reads itself;
    a use that is said becomes what is given. `timers` and `credentials` become the only ones.
    `register_webhook` has the forge call this service: true, or the name of a section `hooks`.
    """

    model_config = ConfigDict(extra="forbid", str_max_length=TEXT_MOST)

    definition: Asked = Asked()
    enabled: bool | None = None
    base_image_trigger: BaseImageAsked = BaseImageAsked()
    source_trigger: SourceAsked = SourceAsked()
    timers: Timers | None = None
    credentials: Credentials | None = None
    remove: frozenset[Removable] = frozenset()
    register_webhook: bool | Name = False
    unregister_webhook: bool = False
    secrets: Annotated[dict[SecretUse, dict[str, SecretText]], Field(default_factory=dict)]

    @model_validator(mode="before")
    @classmethod
    def _bounded(cls, body: Any) -> Any:
        check_plain(body)
        return body

    def asked(self, caller: Caller) -> WholeAsked:
        """Raises `WrongUse`, and `Forbidden` for a folder that the caller may not name."""
        definition, opening = _definition(self.definition, caller)
        secrets = {
            use: {name: parse_source(text.get_secret_value()) for name, text in named.items()}
            for use, named in self.secrets.items()
        }
        return WholeAsked(
            definition=definition,
            enabled=self.enabled,
            base_image_trigger=self.base_image_trigger,
            source_trigger=self.source_trigger,
            timers=None if self.timers is None else tuple(one.timer() for one in self.timers),
            remove=self.remove,
            secrets={**opening, **secrets},
        )

    def hook(self) -> HookAsked:
        asked = self.register_webhook
        name = {True: "", False: None}[asked] if isinstance(asked, bool) else asked
        return HookAsked(name, self.unregister_webhook)


class NewTask(TaskChange):
    """A task that there is not yet."""

    name: Name


class TaskGiven(SavedAsked):
    """A task as it is to be. Triggers, timers and credentials that are not said stay as they are."""

    enabled: bool | None = None
    base_image_trigger: BaseImageAsked | None = None
    source_trigger: SourceAsked | None = None
    timers: Timers | None = None
    credentials: Credentials | None = None

    def whole(self, name: str, definition: Definition, old: WholeTask | None) -> WholeTask:
        """Raises `WrongUse`."""
        before = old or WholeTask(name, definition)
        asked, bases = self.base_image_trigger, before.base_images
        return replace(
            before,
            definition=definition,
            enabled=before.enabled if self.enabled is None else self.enabled,
            base_images=bases if asked is None else base_image_trigger(asked, BaseImageTrigger()),
            source=self._source(definition, old),
            timers=before.timers if self.timers is None else tuple(one.timer() for one in self.timers),
        )

    def _source(self, definition: Definition, old: WholeTask | None) -> SourceTrigger | None:
        """That of a new task is there where it is asked for."""
        if self.source_trigger is not None:
            return source_trigger(definition.context, self.source_trigger, None)
        if old is None:
            return None
        return changed_source_trigger(definition.context, SourceAsked(), old.source, old.definition.context)


def declared(credentials: list[CredentialGiven] | None) -> list[DeclaredCredential] | None:
    """None: they stay as they are."""
    return None if credentials is None else [one.declared() for one in credentials]


class DeclarationFile(Strict):
    """A file of tasks; relative folders in it are looked for in `folder`."""

    name: Text
    folder: Text = "/"
    text: LongText


class ApplyAsked(Strict):
    """The tasks that there are to be. `prune` removes all others, `dry_run` changes nothing."""

    files: Annotated[list[DeclarationFile], Field(max_length=FILES_MOST)]
    prune: bool = False
    dry_run: bool = False


def check_plain(value: Any, place: str = "the body") -> None:
    """Raise `ValueError` for a list or map that is too long, and for text that no program can be given."""
    if isinstance(value, str) and "\0" in value:
        raise ValueError(f"{place} has a NUL character, which no program can be given")
    if isinstance(value, dict | list):
        if len(value) > ENTRIES_MOST:
            raise ValueError(f"{place} has more than {ENTRIES_MOST} entries")
        named = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in named:
            check_plain(name, place)
            check_plain(inner, str(name)[:100])


def _definition(asked: Asked, caller: Caller) -> tuple[Asked, Secrets]:
    """With its context as it is kept, and what the URL of that had in it."""
    if asked.context is None:
        return asked, {}
    kept, source = context_of(asked.context, caller, instead=INSTEAD), ContextSource.parse(asked.context)
    return replace(asked, context=kept), kept_with_task(kept, ContextSecrets.of(source).sources)


def _source(text: SecretText | None) -> Source | None:
    return None if text is None else parse_source(text.get_secret_value())
