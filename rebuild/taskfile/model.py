"""A task file as values: what it asks for, checked and with its defaults. Knows no YAML and no engine."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from graph.record import dataclass
from graph.reference import ImageRef, Platform
from rebuild.secrets.secret import Secret
from rebuild.taskfile.build_line import BuildLine
from rebuild.taskfile.condition import Condition
from rebuild.taskfile.problem import Problem
from rebuild.taskfile.tail import Tail

STEP_TIMEOUT_S = 600
RETRY_DELAY_S = 5
WORKSPACE = "/workspace"
HOME = "/acb/home"


class Version(StrEnum):
    PREVIEW = "1.0-preview-1"
    V1_0 = "v1.0.0"
    V1_1 = "v1.1.0"  # the first with aliases


class Kind(StrEnum):
    CMD = "cmd"
    BUILD = "build"
    PUSH = "push"


class Cache(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Cmd:
    """Run a container. Words may hold references to outputs of earlier steps.

    Where `script` is set there are no arguments: the container's shell gets the script. `tail` is what a
    helper container does with the output, or after it.
    """

    image: str
    arguments: tuple[str, ...] = ()
    script: str | None = None
    tail: Tail | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """Build an image. `line` is what `words` say, references to outputs left as they are."""

    words: tuple[str, ...]
    line: BuildLine
    platforms: tuple[Platform, ...] = ()  # none: the task's own; several: an index
    cache: Cache | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """Push images that earlier steps have built; names as written."""

    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pull:
    """Have an image in the engine's storage, as `cmd: docker pull IMAGE` asks for it."""

    image: str


Action = Cmd | Build | Push | Pull


@dataclass(frozen=True, slots=True)
class Mount:
    volume: str
    path: str  # in the container


@dataclass(frozen=True, slots=True)
class Step:
    """One step. Times are seconds."""

    id: str
    line: int
    action: Action = field(repr=False)  # the text was rendered: secrets may be in it, and in the environment
    when: tuple[str, ...] = ()  # as written
    depends_on: tuple[str, ...] = ()  # ids of the steps that have to end first
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # merged, in order
    working_directory: str | None = None  # absolute, in the container; None is the image's own
    entry_point: str | None = None
    user: str | None = None
    privileged: bool = False
    network: str | None = None
    isolation: str | None = None
    cpus: str | None = None
    expose: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    detach: bool = False
    keep: bool = False
    pull: bool = False
    download_retries: int = 0
    download_retry_delay_s: int = 0
    start_delay_s: int = 0
    timeout_s: int = STEP_TIMEOUT_S
    retries: int = 0
    retry_delay_s: int = RETRY_DELAY_S
    retry_on_errors: tuple[str, ...] = ()
    repeat: int = 0
    ignore_errors: bool = False
    exited_with: tuple[int, ...] = ()
    exited_without: tuple[int, ...] = ()
    condition: Condition | None = None
    is_finally: bool = False

    @property
    def kind(self) -> Kind:
        match self.action:
            case Cmd() | Pull():
                return Kind.CMD
            case Build():
                return Kind.BUILD
            case Push():
                return Kind.PUSH

    def succeeds_with(self, exit_code: int) -> bool:
        """Whether a container that ended so has done what was asked of it."""
        if self.exited_with:
            return exit_code in self.exited_with
        if self.exited_without:
            return exit_code not in self.exited_without
        return exit_code == 0


@dataclass(frozen=True, slots=True)
class Network:
    name: str
    driver: str = ""
    ipv6: bool = False
    skip_creation: bool = False  # it is there already
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """One file of a volume; `base64` holds its content."""

    name: str
    base64: Secret


@dataclass(frozen=True, slots=True)
class Volume:
    name: str
    files: tuple[VolumeFile, ...]


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret of the file comes from; its value is not here."""

    id: str
    keyvault: str
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A whole task file; steps in the order of the file."""

    path: str
    version: Version = Version.V1_0
    steps: tuple[Step, ...] = ()
    step_timeout_s: int = STEP_TIMEOUT_S
    working_directory: str | None = None
    networks: tuple[Network, ...] = ()
    volumes: tuple[Volume, ...] = ()
    secrets: tuple[SecretSource, ...] = ()
    warnings: tuple[Problem, ...] = field(default=())

    def step(self, step_id: str) -> Step:
        """The step of that id; KeyError where there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    @property
    def default_network(self) -> Network | None:
        """What a step without `network` joins: the last one marked so, if any."""
        marked = [network for network in self.networks if network.is_default]
        return marked[-1] if marked else None

    def built_images(self) -> dict[ImageRef, str]:
        """The names that build steps give, with the step that gives them first."""
        built: dict[ImageRef, str] = {}
        for step in self.steps:
            if isinstance(step.action, Build):
                for image in step.action.line.images:
                    built.setdefault(image, step.id)
        return built
