"""A build step to what is built from where, and to the engine calls for it. Builds nothing, opens no file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from graph.errors import WrongUse
from graph.record import dataclass
from graph.reference import ImageRef, Platform
from rebuild.secrets.mask import is_maskable
from rebuild.secrets.secret import Secret
from rebuild.steps.registry_cache import RegistryCache, registry_cache
from rebuild.steps.step_place import EngineKind, PlanSetting
from rebuild.taskfile import (
    WORKSPACE,
    Build,
    BuildLine,
    BuildLineError,
    BuildSecret,
    Cache,
    Outputs,
    Step,
    TaskFile,
    parse_build_line,
)
from rebuild.taskfile.outputs import fill, references
from rebuild.taskfile.problem import placed

Argv = tuple[str, ...]
_TELLING_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class PlannedSecret:
    """A build secret: a file of the run, or a value."""

    id: str
    path: str | None = None
    value: Secret | None = None


@dataclass(frozen=True, slots=True)
class PlannedBuild:
    """What a build step builds. Paths are absolute, on the machine, inside the folder of the run."""

    line: BuildLine
    context: str
    remote: str | None  # what has to be fetched to `context` before
    dockerfile: str | None  # None: Dockerfile or Containerfile of the context
    names: tuple[str, ...]  # full image names
    local_name: str  # what the engine calls the result; of several platforms, their list
    platforms: tuple[Platform, ...]  # none: the machine's own
    build_args: Mapping[str, str]
    secrets: tuple[PlannedSecret, ...]
    no_cache: bool
    cache: RegistryCache | None = None  # of its layers, where the step asks for one

    @property
    def is_index(self) -> bool:
        return len(self.platforms) > 1

    def layer_cache(self, platform: Platform | None) -> ImageRef | None:
        """Where a registry keeps the layers of one platform."""
        return self.cache.of_platform(platform if self.is_index else None) if self.cache else None


def plan_build(
    step: Step, setting: PlanSetting, outputs: Outputs | None = None, secrets: tuple[Secret, ...] = ()
) -> PlannedBuild:
    """An argument with a secret in it becomes the build secret of that name: it would stay in the image.

    Raise `WrongUse` for a path outside of the run's folder, and for what the operator does not allow.
    """
    assert isinstance(step.action, Build)
    action = step.action
    line = action.line if outputs is None else _filled(step, action, outputs)
    if line.network == "host" and not setting.rules.host_network:
        raise refused(step, "--network=host", "the network of the machine")
    environment = {name: _value(value, outputs) for name, value in step.environment}
    names = tuple(dict.fromkeys(full_name(tag) for tag in line.tags))
    platforms = action.platforms or ((setting.platform,) if setting.platform else ())
    arguments = {name: _value(value, outputs) for name, value in line.arguments(environment).items()}
    hidden = {name: value for name, value in arguments.items() if _is_secret(value, secrets)}
    given = tuple(_secret(step, secret, environment, setting) for secret in line.secrets)
    return PlannedBuild(
        line=line,
        context=setting.place.fetched(step)
        if line.is_remote
        else _inside(step, line.context, setting, "context"),
        remote=line.context if line.is_remote else None,
        dockerfile=_dockerfile(step, line, setting),
        names=names,
        local_name=names[0] if names else f"localhost/{setting.place.prefix}-{step.id}".lower(),
        platforms=platforms,
        build_args={name: value for name, value in arguments.items() if name not in hidden},
        secrets=(*given, *_hidden(hidden, given)),
        no_cache=line.no_cache or action.cache is Cache.DISABLED,
        cache=_registry_cache(step, line, setting) if action.cache is Cache.ENABLED else None,
    )


def build_calls(build: PlannedBuild, setting: PlanSetting) -> Iterator[Argv]:
    """One call for each platform."""
    if not build.is_index:
        platform = build.platforms[0] if build.platforms else None
        there = _where(build, platform, setting)
        yield _call(build, there, platform, [f"--tag={name}" for name in _tags(build)])
        return
    for platform in build.platforms:
        there = _where(build, platform, setting)
        match there.engine.kind:
            case EngineKind.PODMAN:
                yield _call(build, there, platform, [f"--manifest={build.local_name}"])
            case EngineKind.DOCKER:
                yield _call(build, there, platform, [f"--tag={platform_name(build.local_name, platform)}"])


def push_calls(name: str, build: PlannedBuild | None, setting: PlanSetting) -> Iterator[Argv]:
    """Push one name; `build` is the one that gave it, if it is for several platforms or may be elsewhere."""
    if build is not None and build.is_index:
        yield from _index_calls(name, build, setting)
        return
    platform = build.platforms[0] if build and build.platforms else None
    engine = _where(build, platform, setting).engine if build else setting.engine
    match engine.kind:
        case EngineKind.PODMAN:
            yield (*engine.program, "push", name, f"docker://{name}")
        case EngineKind.DOCKER:
            yield (*engine.program, "push", name)


def _index_calls(name: str, index: PlannedBuild, setting: PlanSetting) -> Iterator[Argv]:
    """What workers have built they push before, under names beside that of the index."""
    program = setting.engine.program
    parts = {platform: platform_name(index.local_name, platform) for platform in index.platforms}
    engines = {platform: _where(index, platform, setting).engine for platform in index.platforms}
    away = [platform for platform, engine in engines.items() if engine != setting.engine]
    match setting.engine.kind:
        case EngineKind.PODMAN:
            yield from ((*engines[platform].program, "push", parts[platform]) for platform in away)
            if len(away) == len(parts):  # else a build here has begun the list
                yield (*program, "manifest", "create", index.local_name)
            for platform in away:
                yield (*program, "manifest", "add", index.local_name, f"docker://{parts[platform]}")
            yield (*program, "manifest", "push", "--all", index.local_name, f"docker://{name}")
        case EngineKind.DOCKER:
            yield from ((*engines[platform].program, "push", part) for platform, part in parts.items())
            yield (*program, "manifest", "create", name, *parts.values())
            yield (*program, "manifest", "push", name)


def _where(build: PlannedBuild, platform: Platform | None, setting: PlanSetting) -> PlanSetting:
    """The setting, with the engine that builds for that platform."""
    if setting.elsewhere is None or platform is None:
        return setting
    there = setting.elsewhere(build, platform)
    return setting if there is None else replace(setting, engine=there)


def builds(
    taskfile: TaskFile, setting: PlanSetting, outputs: Outputs | None, secrets: Iterable[Secret]
) -> dict[str, PlannedBuild]:
    """Names by the build that gives them, as far as their push depends on it: those for several platforms,
    and where one may be elsewhere all."""
    found: dict[str, PlannedBuild] = {}
    for step in taskfile.steps:
        if isinstance(step.action, Build) and (len(step.action.platforms) > 1 or setting.elsewhere):
            with placed(taskfile.path, step.line, secrets):
                build = plan_build(step, setting, outputs)
            found.update(dict.fromkeys(build.names, build))
    return found


def platform_name(name: str, platform: Platform) -> str:
    """What one platform's part of an index is called where the engine keeps no indexes."""
    return f"{name}-{str(platform).replace('/', '-')}"


def refused(step: Step, what: str, reach: str) -> WrongUse:
    return WrongUse(
        f"step {step.id!r} asks for {what}, which gives it {reach}: not allowed here",
        hint="remove it, or ask the operator of this tracker to allow it",
    )


def _call(build: PlannedBuild, setting: PlanSetting, platform: Platform | None, names: list[str]) -> Argv:
    line = build.line
    flags = [f"--platform={platform}"] if platform else []
    flags += names
    if build.dockerfile is not None:
        flags.append(f"--file={build.dockerfile}")
    flags += [f"--build-arg={name}={value}" for name, value in build.build_args.items()]
    flags += [_secret_flag(secret) for secret in build.secrets]
    flags += [f"--label={name}={value}" for name, value in line.labels]
    flags += [f"--target={line.target}"] if line.target else []
    flags += [f"--network={line.network}"] if line.network in ("none", "host") else []
    flags += ["--no-cache"] if build.no_cache else []
    flags += _layer_cache_flags(build, setting, platform)
    if line.pull:
        flags.append("--pull=always" if setting.engine.kind is EngineKind.PODMAN else "--pull")
    return (*setting.engine.program, "build", *flags, *line.engine_flags, build.context)


def _layer_cache_flags(build: PlannedBuild, setting: PlanSetting, platform: Platform | None) -> list[str]:
    cache = build.layer_cache(platform)
    if cache is None:
        return []
    match setting.engine.kind:
        case EngineKind.PODMAN:
            return [f"--cache-to={cache.name}", *([] if build.no_cache else [f"--cache-from={cache.name}"])]
        case EngineKind.DOCKER:
            return ["--build-arg=BUILDKIT_INLINE_CACHE=1", f"--cache-from={cache}"]


def _registry_cache(step: Step, line: BuildLine, setting: PlanSetting) -> RegistryCache | None:
    if any(any(references(tag)) for tag in line.tags):  # an output is still to complete it
        return None
    return registry_cache(line.tags, task=setting.task, step=step.id, registry=setting.registry)


def _tags(build: PlannedBuild) -> tuple[str, ...]:
    return build.names or (build.local_name,)


def _secret_flag(secret: PlannedSecret) -> str:
    source = f"src={secret.path}" if secret.path is not None else f"env={secret.id}"
    return f"--secret=id={secret.id},{source}"


def _filled(step: Step, action: Build, outputs: Outputs) -> BuildLine:
    words = tuple(fill(word, outputs) for word in action.words)
    for before, after in zip(action.words, words, strict=True):
        if before.startswith("%{") and after.startswith("-"):
            raise WrongUse(
                f"step {step.id!r}: the output {before} would become a flag of the build: {after[:40]!r}"
            )
    try:
        return parse_build_line(words)
    except BuildLineError as error:
        raise WrongUse(f"build of step {step.id!r}: {error.rule}", hint=error.hint) from None


def _value(text: str, outputs: Outputs | None) -> str:
    return text if outputs is None else fill(text, outputs)


def full_name(tag: str) -> str:
    """As the engine and the registry know it; one that an output completes stays as it is until then."""
    return tag if any(references(tag)) else str(ImageRef.parse(tag))


def _dockerfile(step: Step, line: BuildLine, setting: PlanSetting) -> str | None:
    if line.dockerfile is None:
        return None
    if not line.is_remote:
        return _inside(step, line.dockerfile, setting, "Dockerfile")
    fetched = setting.place.fetched(step)
    path = posixpath.normpath(posixpath.join(fetched, line.dockerfile))
    if not path.startswith(f"{fetched}/"):
        raise WrongUse(f"step {step.id!r}: Dockerfile {line.dockerfile!r} is outside of its context")
    return path


def _inside(step: Step, path: str, setting: PlanSetting, what: str) -> str:
    found = setting.place.on_host(path, step)
    if found is None:
        raise WrongUse(
            f"step {step.id!r}: {what} {path!r} is outside of {WORKSPACE} and of its volumes",
            hint="a path is relative to the working directory of the step; mount a volume for secrets",
        )
    return found


def _is_secret(value: str, secrets: Iterable[Secret]) -> bool:
    """Whether it is one, or has one in it that is no word of many texts, as a user's name may be."""
    texts = [secret.reveal() for secret in secrets if is_maskable(secret)]
    return value in texts or any(text in value for text in texts if len(text) >= _TELLING_CHARACTERS)


def _hidden(arguments: Mapping[str, str], given: Iterable[PlannedSecret]) -> Iterator[PlannedSecret]:
    """Arguments as secrets, but those of a name that a secret has already."""
    taken = {secret.id for secret in given}
    return (
        PlannedSecret(name, value=Secret(value)) for name, value in arguments.items() if name not in taken
    )


def _secret(
    step: Step, secret: BuildSecret, environment: Mapping[str, str], setting: PlanSetting
) -> PlannedSecret:
    if secret.source is not None:
        return PlannedSecret(secret.id, path=_inside(step, secret.source, setting, f"secret {secret.id}"))
    value = environment.get(secret.variable or "")
    if value is None:
        raise WrongUse(
            f"step {step.id!r}: --secret id={secret.id} needs the variable {secret.variable}, and has none",
            hint=f"add {secret.variable}=… to its env, or name a file of a mounted volume with src=",
        )
    return PlannedSecret(secret.id, value=Secret(value))
