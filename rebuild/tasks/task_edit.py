"""From what somebody asks of a task to its definition. Reads no file and no table."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from graph.errors import WrongUse
from graph.record import dataclass
from graph.reference import Platform
from rebuild.context.where import Artifact, Folder, Git, Nothing, Source, Tarball
from rebuild.runs.definition import Definition, DockerStep, FileStep, InlineStep, Step, full_name, kept_rules
from rebuild.runs.platform_asked import asked_platform
from rebuild.written_text import BYTES_MOST

NO_CONTEXT = "/dev/null"
TIMEOUT_LEAST_S, TIMEOUT_MOST_S = 1.0, 7 * 86400.0

_TASK_FILES = (".yaml", ".yml", ".json")  # JSON is YAML
_SHELLS = (".sh", ".bash", ".zsh", ".ps1", ".ps", ".cmd", ".bat")
_NEITHER = (*_SHELLS, ".toml", ".ts", ".js", ".php", ".py", ".rb", ".lua")
_DOCKERFILES = ("dockerfile", "containerfile")
_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is said of a definition; None: nothing, so it stays as it is. Empty texts and lists clear."""

    context: str | None = None
    file: str | None = None  # in the context; its name tells a task file from a Dockerfile
    inline: str | None = None  # the text of a task file that is in no context
    inline_path: str | None = None  # what messages call it
    images: Sequence[str] | None = None
    build_args: Mapping[str, str] | None = None
    target: str | None = None
    push: bool | None = None
    no_cache: bool | None = None
    values: Mapping[str, str] | None = None
    values_file: str | None = None  # in the context
    values_text: str | None = None  # YAML, beside an inline task file
    platform: str | None = None  # as it was said
    timeout_s: float | None = None
    follow: Sequence[str] | None = None  # tags that bases follow, REPOSITORY:PATTERN


@dataclass(frozen=True, slots=True)
class Usual:
    """What counts where nothing is said, and nothing is there."""

    registry: str
    platform: Platform
    timeout_s: float = 3600.0
    reproducible: bool = False


def definition_of(asked: Asked, usual: Usual, old: Definition | None = None) -> Definition:
    """A new definition, or what becomes of the old one. Raises `WrongUse` for what does not go together."""
    context = _context(asked, old)
    timeout_s = _or(asked.timeout_s, old.timeout_s if old else usual.timeout_s)
    if not TIMEOUT_LEAST_S <= timeout_s <= TIMEOUT_MOST_S:
        raise WrongUse(
            f"timeout {timeout_s:g} s is not {TIMEOUT_LEAST_S:g} to {TIMEOUT_MOST_S:g} seconds",
            hint="write --timeout 3600 for an hour",
        )
    return Definition(
        context=context,
        step=_step(asked, usual, context, old.step if old else None),
        platform=_platform(asked, usual, old),
        timeout_s=timeout_s,
        follow=kept_rules(asked.follow) if asked.follow is not None else old.follow if old else (),
    )


def _platform(asked: Asked, usual: Usual, old: Definition | None) -> Platform:
    if asked.platform:
        return asked_platform(asked.platform)
    return old.platform if old else usual.platform


def is_task_file(name: str) -> bool:
    """Whether a file is a task file and not a Dockerfile. Raises `WrongUse` for what is neither."""
    base = posixpath.basename(name).lower()
    if base.startswith(_DOCKERFILES):
        return False
    if base.endswith(_NEITHER):
        raise WrongUse(
            f"file {name!r} is neither a Dockerfile nor a task file, which is YAML",
            hint="name a Dockerfile, or a file that ends in .yaml, .yml or .json",
        )
    return base.endswith(_TASK_FILES)


def repository_of(context: str) -> Git | None:
    """The git repository that a context is, None where it is none."""
    place = Source.parse(context).place
    return place if isinstance(place, Git) else None


def _context(asked: Asked, old: Definition | None) -> str:
    text = asked.context
    if text is None and old is None and asked.inline is not None:
        text = NO_CONTEXT
    if text is None and old is None:
        raise WrongUse("a task needs a context", hint="write --context FOLDER, a URL, or /dev/null for none")
    return old.context if text is None and old else kept_context(text or "")


def kept_context(text: str) -> str:
    """The text of a context that is still there tomorrow, without secrets. Raises `WrongUse`."""
    source = Source.parse(text)
    match source.place:
        case Folder() as folder:
            return str(folder.expanded.resolve())
        case Git() | Tarball() | Artifact() | Nothing():
            return str(source)
        case _:
            raise WrongUse(
                f"context {text!r} is there for one run alone", hint="name a folder, a URL or an artifact"
            )


def _step(asked: Asked, usual: Usual, context: str, old: Step | None) -> Step:
    match _kind(asked, context, old):
        case step_type if step_type is InlineStep:
            _refuse(asked, _DOCKER_ONLY, "a task file")
            return _inline(asked, old if isinstance(old, InlineStep) else InlineStep(""))
        case step_type if step_type is FileStep:
            _refuse(asked, _DOCKER_ONLY, "a task file")
            return _file(asked, old if isinstance(old, FileStep) else FileStep(""))
        case _:
            _refuse(asked, _TASK_FILE_ONLY, "a Dockerfile")
            fresh = DockerStep(reproducible=usual.reproducible)
            return _docker(asked, usual, old if isinstance(old, DockerStep) else fresh)


def _kind(asked: Asked, context: str, old: Step | None) -> type[Step]:
    if asked.inline is not None:
        if asked.file is not None:
            raise WrongUse("--cmd and --file exclude each other", hint="give one of them")
        return InlineStep
    has_files = not isinstance(Source.parse(context).place, Nothing)
    if asked.file is not None:
        if not has_files:
            raise WrongUse(f"file {asked.file!r}: there is no context to find it in", hint="name a --context")
        return FileStep if is_task_file(asked.file) else DockerStep
    if not has_files and not isinstance(old, InlineStep):
        raise WrongUse(
            "without a context there is nothing to do", hint="give --cmd 'IMAGE ARGUMENTS', or --file FILE"
        )
    return type(old) if old is not None else DockerStep


_DOCKER_ONLY = {
    "images": "--image",
    "build_args": "--arg",
    "target": "--target",
    "push": "--no-push",
    "no_cache": "--no-cache",
}
_TASK_FILE_ONLY = {"values": "--set", "values_file": "--values", "values_text": "--values"}


def _refuse(asked: Asked, options: Mapping[str, str], what: str) -> None:
    given = [option for name, option in options.items() if _is_said(getattr(asked, name))]
    if given:
        other = "a task file" if what == "a Dockerfile" else "a Dockerfile"
        raise WrongUse(
            f"{given[0]} is for {other}, and this task has {what}",
            hint="leave it out, or name the file with --file",
        )


def _is_said(value: object) -> bool:
    """An empty text or list clears what is not there anyway."""
    return value is False or bool(value)


def _inline(asked: Asked, old: InlineStep) -> InlineStep:
    text = _or(asked.inline, old.text)
    if not text.strip() or len(text) > BYTES_MOST:
        raise WrongUse(
            f"the task file is empty, or has more than {BYTES_MOST:,} characters",
            hint="give --cmd 'IMAGE ARGUMENTS', or --file FILE",
        )
    return InlineStep(
        text,
        _or(asked.values_text, old.values_text),
        dict(_or(asked.values, old.values)),
        path=_or(asked.inline_path, old.path),
    )


def _file(asked: Asked, old: FileStep) -> FileStep:
    values_file = old.values_file if asked.values_file is None else asked.values_file or None
    return FileStep(
        _inside(_or(asked.file, old.file)),
        _inside(values_file) if values_file else None,
        dict(_or(asked.values, old.values)),
    )


def _docker(asked: Asked, usual: Usual, old: DockerStep) -> DockerStep:
    images = old.images if asked.images is None else _images(asked.images, usual.registry)
    return replace(
        old,
        images=images,
        dockerfile=old.dockerfile if asked.file is None else asked.file or None,
        build_args=dict(_or(asked.build_args, old.build_args)),
        target=old.target if asked.target is None else asked.target or None,
        push=_or(asked.push, old.push),
        no_cache=_or(asked.no_cache, old.no_cache),
    )


def _images(names: Iterable[str], registry: str) -> tuple[str, ...]:
    for name in names:
        if "@" in name:
            raise WrongUse(
                f"image name {name!r} has a digest, which only the build can tell", hint="name a tag"
            )
    return tuple(dict.fromkeys(full_name(name, registry) for name in names))


def _inside(path: str) -> str:
    """The path of a file in the context, which is read only there."""
    written = posixpath.normpath(path)
    if written.startswith(("/", "../")) or written in ("..", "."):
        raise WrongUse(f"file {path!r} is not inside the context", hint="write its path in the context")
    return written


def _or(given: _Kept | None, kept: _Kept) -> _Kept:
    return kept if given is None else given
