"""What callers may ask for, field by field, and what that means as a definition. Starts nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    StringConstraints,
    Tag,
)

from graph.errors import WrongUse
from rebuild.context.where import Folder, StandardInput, Uploaded
from rebuild.context.where import Source as ContextSource
from rebuild.runs.definition import Definition, DockerStep, FileStep, InlineStep, Step, full_name, kept_rules
from rebuild.runs.override import Override
from rebuild.runs.override import overridden as overridden_for
from rebuild.runs.override import use_of as use_of
from rebuild.runs.platform_asked import asked_platform
from rebuild.secrets.api_token import Scope
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import Opaque, Source, parse_source
from tracker.api.auth import Caller, Forbidden, require
from tracker.api.v1.desk import Usual

TIMEOUT_MOST_S = 7 * 86400.0


_UPLOAD_IT = "upload the folder with PUT /api/v1/contexts"


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("it has a NUL character, which no program can be given")
    return text


def _as_bytes(secret: SecretStr) -> SecretStr:
    """JSON can say half of a pair of surrogates, which no file and no variable can hold."""
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("it has half of a surrogate pair, which no text can have") from None
    return secret


_NoNul = AfterValidator(_without_nul)
Text = Annotated[str, StringConstraints(max_length=4096), _NoNul]
LongText = Annotated[str, StringConstraints(max_length=1024 * 1024), _NoNul]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255), _NoNul]
Values = Annotated[dict[Name, LongText], Field(max_length=1000)]
SecretText = Annotated[SecretStr, AfterValidator(_as_bytes)]
Secrets = Annotated[dict[Name, SecretText], Field(max_length=100)]
TimeoutSeconds = Annotated[float, Field(ge=1, le=TIMEOUT_MOST_S)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DockerAsked(Strict):
    """Build one Dockerfile and push the result."""

    kind: Literal["docker"]
    images: Annotated[list[Name], Field(max_length=1000)] = []
    dockerfile: Text | None = None
    build_args: Values = {}
    target: Name | None = None
    push: bool = True
    no_cache: bool = False
    reproducible: bool | None = None


class FileAsked(Strict):
    """Carry out a task file of the context. `strict` refuses what would only be warned of."""

    kind: Literal["file"]
    file: Text
    values_file: Text | None = None
    values: Values = {}
    strict: bool = False


class InlineAsked(Strict):
    """Carry out a task file that comes with the request. Its paths are for messages alone."""

    kind: Literal["inline"]
    text: LongText
    values_text: LongText = ""
    values: Values = {}
    strict: bool = False
    path: Text = "task file"
    values_path: Text = "values"


StepAsked = Annotated[DockerAsked | FileAsked | InlineAsked, Field(discriminator="kind")]


class _ContextAsked(Strict):
    """What opens the context. A login or a query in its URL counts as well, and is kept no other way."""

    git_access_token: SecretText | None = None
    git_ssh_key: SecretText | None = None
    context_query: SecretText | None = None


class DefinitionAsked(_ContextAsked):
    """One piece of work. `secrets` are values by name, for this run alone."""

    context: Annotated[Text, Field(examples=["https://github.com/example/app.git#main"])] = "/dev/null"
    step: StepAsked
    platform: Annotated[Name, Field(examples=["linux/arm64"])] | None = None
    timeout_s: TimeoutSeconds | None = None
    follow: Annotated[list[Text], Field(max_length=50, examples=[["python:3.12.*"]])] = []
    secrets: Secrets = {}


class SavedAsked(DefinitionAsked):
    """A task. Its secrets are values, or sources such as `vault:PATH#KEY` that the service reads itself."""

    secret_sources: Values = {}


class TaskAsked(_ContextAsked):
    """A saved task; what is given here counts for this run alone, but for `update_trigger_token`."""

    task: Name
    context: Text | None = None
    file: Text | None = None
    text: LongText | None = None  # of a task file, for a task that keeps its own
    values: Values = {}
    build_args: Values = {}
    target: Name | None = None
    timeout_s: TimeoutSeconds | None = None
    secrets: Secrets = {}
    update_trigger_token: SecretText | None = None  # kept with the task; empty: from now on it has none


def _kind(body: Any) -> str:
    is_task = "task" in body if isinstance(body, dict) else isinstance(body, TaskAsked)
    return "task" if is_task else "definition"


RunAsked = Annotated[
    Annotated[TaskAsked, Tag("task")] | Annotated[DefinitionAsked, Tag("definition")],
    Discriminator(_kind),
]


def definition_of(asked: DefinitionAsked, usual: Usual, caller: Caller) -> Definition:
    """Checked, with what is usual where nothing was said. Raises `WrongUse` and `Forbidden`."""
    return Definition(
        context=context_of(asked.context, caller),
        step=_step(asked.step, usual),
        platform=asked_platform(asked.platform) if asked.platform else usual.platform,
        timeout_s=asked.timeout_s or usual.timeout_s,
        follow=kept_rules(asked.follow),
    )


def context_of(text: str, caller: Caller, *, instead: str = _UPLOAD_IT) -> str:
    """The text of the source, as it is kept: folders of this machine only for those who may read them."""
    source = ContextSource.parse(text)
    if isinstance(source.place, StandardInput):
        raise WrongUse("context '-' is the input of a command", hint="upload it with PUT /api/v1/contexts")
    if source.is_local and not caller.is_local:
        raise Forbidden(
            f"context {str(source)[:200]!r} is on the machine of the service, which {caller.name} may not"
            " name",
            hint=f"{instead}, or name a git repository",
        )
    if isinstance(source.place, Folder) and not source.place.path.is_absolute():
        raise WrongUse(f"context {text[:200]!r} is relative to nothing here", hint="write the whole path")
    return str(source)


def refuse_upload(context: str) -> None:
    """An upload is gone after a while: no saved task can stand on one."""
    if isinstance(ContextSource.parse(context).place, Uploaded):
        raise WrongUse(
            "the context of a task must be there for every run, and an upload is not",
            hint="name a git repository, a tarball or an oci:// artifact",
        )


def _step(asked: DockerAsked | FileAsked | InlineAsked, usual: Usual) -> Step:
    match asked:
        case DockerAsked():
            return DockerStep(
                images=tuple(dict.fromkeys(_image(name, usual.registry) for name in asked.images)),
                dockerfile=asked.dockerfile,
                build_args=asked.build_args,
                target=asked.target,
                push=asked.push,
                no_cache=asked.no_cache,
                reproducible=usual.reproducible if asked.reproducible is None else asked.reproducible,
            )
        case FileAsked():
            return FileStep(asked.file, asked.values_file, asked.values, asked.strict)
        case InlineAsked():
            return InlineStep(
                asked.text, asked.values_text, asked.values, asked.strict, asked.path, asked.values_path
            )


def _image(name: str, registry: str) -> str:
    if "@" in name:
        raise WrongUse(f"image name {name!r} has a digest, which only the build can tell", hint="name a tag")
    return full_name(name, registry)


def overridden(definition: Definition, asked: TaskAsked, caller: Caller) -> Definition:
    """The definition of a task with what was asked for this run. Raises `WrongUse` for what does not fit."""
    if asked.text:  # it may do with the secrets of the task what it likes
        require(caller, Scope.WRITE)
    override = Override(
        context=context_of(asked.context, caller) if asked.context else None,
        file=asked.file,
        text=asked.text,
        build_args=asked.build_args,
        values=asked.values,
        target=asked.target,
        timeout_s=asked.timeout_s,
    )
    return overridden_for(asked.task, definition, override)


def secrets_of(asked: DefinitionAsked | TaskAsked) -> dict[str, Secret]:
    return {name: Secret(value.get_secret_value()) for name, value in asked.secrets.items()}


def sources_of(asked: SavedAsked) -> dict[str, Source]:
    """Values and sources of a task. Raises `WrongUse` for a value among the sources, without showing it."""
    named = {name: parse_source(text) for name, text in asked.secret_sources.items()}
    if opaque := [name for name, source in named.items() if isinstance(source, Opaque)]:
        raise WrongUse(
            f"secret_sources.{opaque[0]} is no source",
            hint="write values into secrets, here vault:PATH#KEY",
        )
    return {**named, **{name: Opaque(secret) for name, secret in secrets_of(asked).items()}}


def context_secrets_of(asked: DefinitionAsked | TaskAsked) -> ContextSecrets:
    """What opens the context that was asked for; fields go before what its URL has."""
    typed = ContextSecrets.of(ContextSource.parse(asked.context)) if asked.context else ContextSecrets()
    token, query, key = asked.git_access_token, asked.context_query, asked.git_ssh_key
    return ContextSecrets(
        Secret(token.get_secret_value()) if token else typed.token,
        Secret(query.get_secret_value()) if query else typed.query,
        Secret(key.get_secret_value()) if key else None,
    )
