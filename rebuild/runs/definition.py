"""What a run is asked to do: a context, and a Dockerfile or a task file. A frozen value with a JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any, ClassVar

from graph.errors import InvalidReference
from graph.record import dataclass
from graph.reference import ImageRef, Platform


@dataclass(frozen=True, slots=True)
class DockerStep:
    """Build one Dockerfile and push the result."""

    files: ClassVar[
        tuple[str, ...]
    ] = ()  # here and below: needed of the context, whatever its ignore file says

    images: tuple[str, ...] = ()  # full names; they may hold templates such as {{.Run.ID}}
    dockerfile: str | None = None  # in the context, or absolute; None: Dockerfile or Containerfile
    build_args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    push: bool = True
    no_cache: bool = False
    reproducible: bool = False


@dataclass(frozen=True, slots=True)
class FileStep:
    """Carry out a task file of the context."""

    file: str
    values_file: str | None = None  # in the context
    values: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False  # what would only be warned of ends the run before its first step

    @property
    def files(self) -> tuple[str, ...]:
        return (self.file, self.values_file) if self.values_file else (self.file,)


@dataclass(frozen=True, slots=True)
class InlineStep:
    """Carry out a task file that came with the request. Its paths are for messages alone."""

    files: ClassVar[tuple[str, ...]] = ()

    text: str
    values_text: str = ""  # YAML
    values: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    path: str = "task file"
    values_path: str = "values"


@dataclass(frozen=True, slots=True)
class Revision:
    """The commit of a repository that a run is for, and how it came to be wanted."""

    commit: str
    branch: str | None = None  # of a pull request the one that it comes from
    tag: str | None = None
    pull: int | None = None  # the number of the pull request
    target: str | None = None  # the branch that it is to go into
    from_fork: bool = False

    def to_plain(self) -> dict[str, Any]:
        """What there is of it, as JSON has it; `Revision(**plain)` reads it."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name))}


Step = DockerStep | FileStep | InlineStep
_KINDS: Mapping[str, type[Step]] = {"docker": DockerStep, "file": FileStep, "inline": InlineStep}


@dataclass(frozen=True, slots=True)
class Definition:
    """One piece of work. `context` is the text of a source: a folder's absolute path, a URL, /dev/null."""

    context: str
    step: Step
    platform: Platform
    timeout_s: float = 3600.0
    revision: Revision | None = None  # None: as the context is when the run begins
    follow: tuple[str, ...] = ()  # rules of `graph.follow_rule`: bases that are the newest tag of theirs

    @property
    def is_trial(self) -> bool:
        """Whether it only tries out what a pull request proposes: it makes none of its task's images."""
        return self.revision is not None and self.revision.pull is not None

    @property
    def is_foreign(self) -> bool:
        """Whether what it carries out was written by somebody who may not write to the repository."""
        return self.revision is not None and self.revision.from_fork

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """The images that are known to come of it: names with templates are not."""
        if not isinstance(self.step, DockerStep):
            return ()
        return tuple(ImageRef.parse(name) for name in self.step.images if "{{" not in name)

    @property
    def tells_all_images(self) -> bool:
        """Whether nothing comes of it but `images`. What a task file or a template makes, its runs tell."""
        return isinstance(self.step, DockerStep) and len(self.images) == len(self.step.images)

    def rebuilt(self) -> Definition:
        """As the service repeats it: what somebody typed for one build alone does not count."""
        match self.step:
            case DockerStep() as step:
                return replace(self, step=replace(step, no_cache=False))
            case FileStep() | InlineStep():
                return self

    def to_json(self) -> str:
        kind = next(kind for kind, form in _KINDS.items() if isinstance(self.step, form))
        # Not dataclasses.asdict: it copies deeply, and a base may have a thousand images on it.
        step = {field.name: getattr(self.step, field.name) for field in fields(self.step)}
        plain = {
            "context": self.context,
            "platform": str(self.platform),
            "timeout_s": self.timeout_s,
            "step": {"kind": kind, **{name: _plain(value) for name, value in step.items()}},
        }
        if self.revision is not None:
            plain["revision"] = self.revision.to_plain()
        if self.follow:
            plain["follow"] = list(self.follow)
        return json.dumps(plain, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Definition:
        plain: dict[str, Any] = json.loads(text)
        step = dict(plain["step"])
        form = _KINDS[step.pop("kind")]
        if "images" in step:
            step["images"] = tuple(step["images"])
        revision = Revision(**plain["revision"]) if "revision" in plain else None
        platform = Platform.parse(plain["platform"])
        follow = tuple(plain.get("follow", ()))
        return cls(plain["context"], form(**step), platform, plain["timeout_s"], revision, follow)


def _plain(value: object) -> object:
    match value:
        case tuple():
            return list(value)
        case Mapping():
            return dict(value)
        case _:
            return value


def kept_rules(texts: Sequence[str]) -> tuple[str, ...]:
    """Rules of tags to follow, checked, with the registry in each. Raises `WrongUse`.

    A name without a registry is Docker Hub's, as in the Dockerfiles that the rule speaks of.
    """
    if not texts:
        return ()
    from graph.follow_rule import parse_rules  # few tasks have any

    return tuple(str(rule) for rule in parse_rules(texts))


def full_name(name: str, default_registry: str) -> str:
    """An image name with its registry and tag; one with templates is checked when they are filled in."""
    if "{{" not in name:
        return str(ImageRef.parse(name, default_registry=default_registry))
    first, slash, _ = name.partition("/")
    if name.startswith("{{") or (slash and _names_a_host(first)):
        return name
    return f"{default_registry}/{name}"


def _names_a_host(text: str) -> bool:
    """Whether the part before the first slash is a registry and not the beginning of a repository."""
    try:
        return ImageRef.parse(f"{text}/x").registry == text
    except InvalidReference:
        return False
