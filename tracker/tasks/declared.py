"""Tasks as a person declares them in YAML: to whole tasks, with every fault at once. Saves nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.context.where import Folder, Source
from rebuild.runs.definition import kept_rules
from rebuild.runs.platform_asked import asked_platform
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.credentials import registry_of
from rebuild.secrets.secret import HIDDEN
from rebuild.secrets.secret_source import Opaque, parse_source
from rebuild.secrets.secret_source import Source as SecretSource
from rebuild.secrets.task_secrets import SecretUse, check_secret_name
from rebuild.steps.task_work import command_file
from rebuild.taskfile import Problem, TaskFileError
from rebuild.taskfile.environment import Written
from rebuild.taskfile.fields import Fields
from rebuild.taskfile.problem import Problems
from rebuild.taskfile.yaml_nodes import Mapping as YamlMapping
from rebuild.taskfile.yaml_nodes import read_nodes
from rebuild.tasks.schedule import Schedule
from rebuild.tasks.stored_task import Secrets, WholeTask
from rebuild.tasks.task import check_name
from rebuild.tasks.task_edit import Asked, Usual, definition_of
from rebuild.tasks.timers import UTC, Timer, check_timers
from rebuild.tasks.trigger_edit import BaseImageAsked, SourceAsked, base_image_trigger, source_trigger
from rebuild.tasks.triggers import BaseImageTrigger, Bases, Payload
from tracker.settings.written import duration_s
from tracker.tasks.task_files import TaskFileText, documents

_KEYS = (
    "name", "context", "file", "cmd", "task_file", "images", "args", "target", "push", "no_cache",
    "values", "values_file", "values_text", "platform", "timeout", "status", "timers", "base_image_trigger",
    "source_trigger", "secret_args", "secret_values", "git_access_token",
    "git_ssh_key", "context_query",
    "credentials",
)  # fmt: skip
_PATTERNS = ("branches", "tags", "paths", "targets")
_BASE_IMAGE_KEYS = ("name", "enabled", "type", "update_endpoint", "update_payload", "syntax")
_SOURCE_KEYS = ("name", "commit", "pull_request", "forks", *_PATTERNS)
_Member = TypeVar("_Member", bound=StrEnum)
_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class DeclaredCredential:
    """Who a task is to one registry."""

    registry: str
    username: SecretSource | None
    password: SecretSource


@dataclass(frozen=True, slots=True)
class DeclaredTask:
    """One task and where it stands. Secrets and credentials that are not said are left as they are."""

    place: str  # file:line
    task: WholeTask
    secrets: Secrets
    credentials: tuple[DeclaredCredential, ...] | None


def declared_in(
    files: Iterable[TaskFileText], usual: Usual, allowed: Callable[[str], object] = str
) -> tuple[DeclaredTask, ...]:
    """The tasks of these files. Raises `WrongUse` with all faults, and what `allowed` does for a context."""
    faults: list[Problem] = []
    declared: dict[str, DeclaredTask] = {}
    for file in files:
        for text in documents(file.text):
            problems = Problems(file.name)
            try:
                found = _document(text, file.folder, usual, problems, allowed)
                problems.settle(strict=True)
            except TaskFileError as error:
                faults += error.problems
                continue
            if found is None:
                continue
            first = declared.setdefault(found.task.name, found)
            if first is not found:
                line = int(found.place.rpartition(":")[2])
                rule = f"task {found.task.name} is declared twice; it is at {first.place} already"
                faults.append(Problem(file.name, line, rule))
    if faults:
        raise TaskFileError(faults)
    return tuple(declared.values())


def _document(
    text: str, folder: Path, usual: Usual, problems: Problems, allowed: Callable[[str], object]
) -> DeclaredTask | None:
    node = read_nodes(text, problems)
    if node is None:
        return None
    if not isinstance(node, YamlMapping):
        raise problems.stop(node.line, "a task is a map of properties", hint="begin with name: NAME")
    return _Reading(Fields(node, "the task", problems), folder, usual, problems, allowed).task()


@dataclass(frozen=True, slots=True)
class _Reading:
    """One document; what breaks a rule is noted with its line, and reading goes on."""

    fields: Fields
    folder: Path
    usual: Usual
    problems: Problems
    allowed: Callable[[str], object]

    def task(self) -> DeclaredTask | None:
        self.fields.refuse_keys_but(_KEYS)
        name = self._checked("name", self._name)
        asked = self._asked()
        definition = self._checked("context", lambda: definition_of(asked, self.usual))
        timers = self._timers()
        base = self._checked("base_image_trigger", self._base_image)
        secrets, credentials = self._secrets(), self._credentials()
        enabled = self._checked("status", self._enabled)
        if name is None or definition is None or base is None or enabled is None or self.problems.faults:
            return None
        source = self._checked(
            "source_trigger", lambda: source_trigger(definition.context, self._source(), None)
        )
        task = WholeTask(name, definition, enabled, base, source, timers)
        return DeclaredTask(f"{self.problems.path}:{self.fields.line}", task, secrets, credentials)

    def _name(self) -> str:
        if not self.fields.has("name"):
            raise WrongUse("the task has no name", hint="write name: NAME")
        return check_name(self.fields.text("name"))

    def _asked(self) -> Asked:
        fields = self.fields
        timeout_s = self._checked("timeout", self._timeout_s) if fields.has("timeout") else None
        inline = self._checked("cmd", functools.partial(self._inline, timeout_s))
        return Asked(
            context=self._context(),
            file=fields.optional_text("file"),
            inline=inline,
            images=fields.texts("images") or None,
            build_args=_texts(fields.map_of_texts("args")) or None,
            target=fields.optional_text("target"),
            push=fields.switch("push") if fields.has("push") else None,
            no_cache=fields.switch("no_cache") if fields.has("no_cache") else None,
            values=_texts(fields.map_of_texts("values")) or None,
            values_file=self._checked("values_file", lambda: self._values_file(inline)),
            values_text=self._checked("values_text", lambda: self._values_text(inline)),
            platform=self._checked("platform", self._platform),
            timeout_s=timeout_s,
            follow=self._follow(),
        )

    def _context(self) -> str | None:
        """A folder is found from where the file is. A query that stands elsewhere leaves its mark."""
        text = self.fields.optional_text("context")
        if not text:
            return text
        if self.fields.has("context_query"):
            text = f"{text}?{HIDDEN}"
        return self._checked("context", functools.partial(self._allowed, text)) or text

    def _allowed(self, text: str) -> str:
        source = _without_secrets(Source.parse(text))
        if isinstance(source.place, Folder):
            text = str(self.folder / source.place.expanded)
        self.allowed(text)
        return text

    def _inline(self, timeout_s: float | None) -> str | None:
        """The text of a task file that is in no context."""
        has_text, has_command = self.fields.has("task_file"), self.fields.has("cmd")
        if has_text and has_command:
            raise WrongUse("cmd and task_file exclude each other", hint="write one of them")
        if has_command:
            return command_file(self.fields.text("cmd"), timeout_s)
        return self.fields.text("task_file") if has_text else None

    def _values_file(self, inline: str | None) -> str | None:
        text = self.fields.optional_text("values_file")
        if text and inline is not None:
            raise WrongUse("values_file is for a task file of the context", hint="write values_text")
        return text

    def _values_text(self, inline: str | None) -> str | None:
        text = self.fields.optional_text("values_text")
        if text and inline is None:
            raise WrongUse("values_text is for task_file", hint="write values_file, or values")
        return text

    def _timeout_s(self) -> float:
        text = self.fields.text("timeout")
        try:
            return float(str(duration_s(int(text) if text.isdigit() else text)))
        except (ValueError, OverflowError):
            raise WrongUse(f"timeout {text[:40]!r} is no time", hint="write 3600, 30m or 2h") from None

    def _platform(self) -> str | None:
        text = self.fields.optional_text("platform")
        return str(asked_platform(text)) if text else None

    def _enabled(self) -> bool:
        text = self.fields.text("status", "Enabled")
        if text.lower() not in ("enabled", "disabled"):
            raise WrongUse(f"status {text[:40]!r} is neither Enabled nor Disabled")
        return text.lower() == "enabled"

    def _timers(self) -> tuple[Timer, ...]:
        timers = [
            self._checked("schedule", functools.partial(_timer, timer, place), timer)
            for place, timer in enumerate(self.fields.maps("timers", "a timer"), 1)
        ]
        known = tuple(timer for timer in timers if timer is not None)
        self._checked("timers", lambda: check_timers(known))
        return known

    def _base_image(self) -> BaseImageTrigger:
        section = self.fields.section("base_image_trigger")
        if section is None:
            return BaseImageTrigger()
        section.refuse_keys_but((*_BASE_IMAGE_KEYS, "follow"))
        given = {key: section.text(key) for key in _BASE_IMAGE_KEYS if section.has(key)}
        asked = BaseImageAsked(
            name=given.get("name"),
            enabled=_switch(given, "enabled"),
            bases=_member(Bases, given, "type"),
            endpoint=given.get("update_endpoint"),
            payload=_member(Payload, given, "update_payload"),
            syntax=_switch(given, "syntax"),
        )
        return base_image_trigger(asked, BaseImageTrigger())

    def _follow(self) -> tuple[str, ...]:
        section = self.fields.section("base_image_trigger")
        texts = section.texts("follow") if section is not None and section.has("follow") else ()
        return self._checked("follow", lambda: kept_rules(texts), section) or ()

    def _source(self) -> SourceAsked:
        section = self.fields.section("source_trigger")
        if section is None:
            return SourceAsked()
        section.refuse_keys_but(_SOURCE_KEYS)
        given = {
            key: section.text(key) for key in ("name", "commit", "pull_request", "forks") if section.has(key)
        }
        patterns = {key: section.texts(key) for key in _PATTERNS if section.has(key)}
        return SourceAsked(
            name=given.get("name"),
            commits=_switch(given, "commit"),
            pull_requests=_switch(given, "pull_request"),
            forks=_switch(given, "forks"),
            **patterns,
        )

    def _secrets(self) -> Secrets:
        found: dict[SecretUse, dict[str, SecretSource]] = {}
        for key, use in (("secret_args", SecretUse.BUILD), ("secret_values", SecretUse.VALUE)):
            if self.fields.has(key):
                found[use] = {
                    name: source
                    for name, text in _texts(self.fields.map_of_texts(key)).items()
                    if (source := self._checked(key, functools.partial(_secret, use, name, text))) is not None
                }
        for key, use in (("git_access_token", SecretUse.GIT), ("git_ssh_key", SecretUse.SSH)):
            if self.fields.has(key):
                found[use] = self._alone(key, use)
        return {**found, SecretUse.QUERY: self._alone("context_query", SecretUse.QUERY)}

    def _alone(self, key: str, use: SecretUse) -> dict[str, SecretSource]:
        """A secret of which a task has one, or none."""
        if not self.fields.has(key):
            return {}
        source = self._checked(key, lambda: _secret(use, "", self.fields.text(key), key))
        return {"": source} if source else {}

    def _credentials(self) -> tuple[DeclaredCredential, ...] | None:
        if not self.fields.has("credentials"):
            return None
        found = [
            self._checked("registry", functools.partial(_credential, fields), fields)
            for fields in self.fields.maps("credentials", "a credential")
        ]
        return tuple(one for one in found if one is not None)

    def _checked(self, key: str, make: Callable[[], _Done], fields: Fields | None = None) -> _Done | None:
        """What is made, or None where that breaks a rule, which is then a fault of the field."""
        try:
            return make()
        except WrongUse as error:
            (fields or self.fields).fault(key, error.message, hint=error.hint)
            return None


def _without_secrets(source: Source) -> Source:
    found = ContextSecrets.of(source)
    if found.token or found.query:
        what, key = ("a login", "git_access_token") if found.token else ("a query", "context_query")
        raise WrongUse(
            f"context {source} has {what} in it, and a file of tasks is no place for secrets",
            hint=f"take it out, and write {key}: env:NAME, file:/PATH, credential:NAME or vault:PATH#KEY",
        )
    return source


def _timer(fields: Fields, place: int) -> Timer:
    fields.refuse_keys_but(("name", "schedule", "enabled", "time_zone"))
    return Timer(
        fields.text("name", f"t{place}"),
        Schedule.parse(fields.text("schedule")),
        not fields.has("enabled") or fields.switch("enabled"),
        fields.text("time_zone", UTC),
    )


def _credential(fields: Fields) -> DeclaredCredential:
    fields.refuse_keys_but(("registry", "username", "password"))
    user = fields.optional_text("username")
    return DeclaredCredential(
        registry_of(fields.text("registry")),
        parse_source(user) if user else None,
        _no_value("password", fields.text("password")),
    )


def _secret(use: SecretUse, name: str, text: str, key: str = "") -> SecretSource:
    check_secret_name(use, name)
    return _no_value(name or key, text)


def _no_value(name: str, text: str) -> SecretSource:
    source = parse_source(text)
    if isinstance(source, Opaque):
        raise WrongUse(
            f"{name} is a value, and a file of tasks is no place for secrets",
            hint="write where it comes from: env:NAME, file:/PATH, credential:NAME or vault:PATH#KEY",
        )
    return source


def _texts(written: Mapping[str, Written]) -> dict[str, str]:
    return {name: entry.text for name, entry in written.items()}


def _switch(given: Mapping[str, str], key: str) -> bool | None:
    text = given.get(key)
    if text is None or text.lower() in ("true", "false"):
        return None if text is None else text.lower() == "true"
    raise WrongUse(f"{key} {text[:40]!r} is neither true nor false")


def _member(kind: type[_Member], given: Mapping[str, str], key: str) -> _Member | None:
    text = given.get(key)
    if text is None:
        return None
    for member in kind:
        if member.lower() == text.lower():
            return member
    raise WrongUse(f"{key} {text[:40]!r} is none of {', '.join(kind)}")
