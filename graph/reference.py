"""Image names, digests and platforms as immutable values: parse, normalise, print. Asks nobody.

What is in a name? `alpine` is `docker.io/library/alpine:latest`: a name without a registry belongs
to Docker Hub, a Hub name without an owner to `library/`, and a name with neither tag nor digest to
`latest`. The first part is a registry only if it has a dot, a colon or an upper-case letter, or is
`localhost`; so `team/app` is on the Hub and `localhost/app` is not. The grammar is that of the
distribution project's `reference` package, which docker, podman and BuildKit follow.
"""

from __future__ import annotations

import functools
import re
from dataclasses import replace

from graph.errors import InvalidReference
from graph.record import dataclass

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
PATH_LENGTH_MOST = 255
NAME_LENGTH_MOST = 1024  # longer than any host, path, tag and digest together

_DOMAIN = re.compile(
    r"(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
    r"(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
)
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_DIGEST = re.compile(r"(?P<algorithm>[a-z0-9]+(?:[+._-][a-z0-9]+)*):(?P<hex>[0-9a-zA-Z=_-]+)")
_HEXADECIMAL = re.compile(r"[0-9a-f]+")
_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A content address, `sha256:` and 64 hexadecimal digits. Made by `Digest.parse`."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        match = _DIGEST.fullmatch(text) if len(text) <= NAME_LENGTH_MOST else None
        if match is None:
            raise InvalidReference(f"digest {text[:200]!r} is not of the form algorithm:hex")
        algorithm, hexadecimal = match["algorithm"], match["hex"]
        length = _HEX_LENGTH.get(algorithm)
        if length is None:
            known = ", ".join(_HEX_LENGTH)
            raise InvalidReference(f"digest {text!r}: algorithm {algorithm!r} is not one of {known}")
        if len(hexadecimal) != length or not _HEXADECIMAL.fullmatch(hexadecimal):
            rule = f"{algorithm} has {length} lower-case hexadecimal digits"
            raise InvalidReference(f"digest {text!r}: {rule}")
        return cls(algorithm, hexadecimal)

    @property
    def short(self) -> str:
        """The first twelve digits, for people."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True, slots=True, order=True)
class ImageRef:
    """A full image name. `tag` or `digest` is always set; both are where both were written."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, default_registry: str = DEFAULT_REGISTRY) -> ImageRef:
        """Read a name as a person writes it; raise `InvalidReference` naming the rule it breaks.

        `default_registry` takes the place of Docker Hub for names that name no registry.
        """
        return _parsed(text, default_registry)

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar(self) -> str:
        """The shortest form that parses to the same reference: `alpine:3` for Docker Hub's."""
        if self.registry != DEFAULT_REGISTRY:
            return str(self)
        owner, _, rest = self.repository.partition("/")
        short = rest if owner == "library" and "/" not in rest else self.repository
        if names_a_host(short):  # a first part with a dot would be read as a registry
            return str(self)
        return str(replace(self, repository=short)).removeprefix(f"{DEFAULT_REGISTRY}/")

    def with_digest(self, digest: Digest) -> ImageRef:
        """The same repository, pinned: `registry/repository@digest`, without the tag."""
        return replace(self, tag=None, digest=digest)

    def with_tag(self, tag: str) -> ImageRef:
        return replace(self, tag=tag, digest=None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.name}{tag}{digest}"


@functools.lru_cache(maxsize=2048)  # a storm of events, or a poll, names few images again and again
def _parsed(text: str, default_registry: str) -> ImageRef:
    _refuse_the_obvious(text)
    rest, digest = _split_digest(text)
    rest, tag = _split_tag(rest)
    registry, repository = _split_registry(rest, default_registry)
    _check_repository(text, repository)
    if tag is not None and not _TAG.fullmatch(tag):
        rule = "a tag has up to 128 letters, digits, '_', '.' and '-', and begins with none of '.', '-'"
        raise InvalidReference(f"image name {text!r}: tag {tag!r} is not valid: {rule}")
    if not _DOMAIN.fullmatch(registry):
        raise InvalidReference(f"image name {text!r}: {registry!r} is not a registry host")
    if tag is None and digest is None:
        tag = DEFAULT_TAG
    return ImageRef(registry, repository, tag, digest)


def _refuse_the_obvious(text: str) -> None:
    if len(text) > NAME_LENGTH_MOST:
        raise InvalidReference(
            f"image name {text[:60]!r}… has {len(text)} characters: more than {NAME_LENGTH_MOST} is no name"
        )
    if not text:
        raise InvalidReference("image name is empty", hint="write a name such as alpine:3.20")
    if "://" in text:
        scheme, _, rest = text.partition("://")
        raise InvalidReference(
            f"image name {text!r} begins with a URL scheme; names have none",
            hint=f"remove '{scheme}://': {rest!r}",
        )
    if text.split() != [text]:
        raise InvalidReference(f"image name {text!r} contains white space")
    if re.fullmatch(r"[0-9a-f]{64}", text):
        raise InvalidReference(
            f"image name {text!r} is 64 hexadecimal digits, which names an image id, not a repository",
            hint="write repository@sha256:… to name an image by its digest",
        )


def _split_digest(text: str) -> tuple[str, Digest | None]:
    rest, at, digest = text.partition("@")
    if not at:
        return text, None
    try:
        return rest, Digest.parse(digest)
    except InvalidReference as error:
        raise InvalidReference(f"image name {text!r}: {error.message}") from None


def _split_tag(text: str) -> tuple[str, str | None]:
    head, slash, last = text.rpartition("/")
    path, colon, tag = last.partition(":")
    return (f"{head}{slash}{path}", tag) if colon else (text, None)


def _split_registry(text: str, default_registry: str) -> tuple[str, str]:
    if names_a_host(text):
        registry, _, repository = text.partition("/")
    else:
        registry, repository = default_registry, text
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def names_a_host(text: str) -> bool:
    """Whether the first of several parts is a registry."""
    first, slash, _ = text.partition("/")
    looks_like_one = any(c in first for c in ".:[") or first == "localhost" or first != first.lower()
    return bool(slash) and looks_like_one


def _check_repository(text: str, repository: str) -> None:
    path = repository.removeprefix("library/")
    if not path:
        raise InvalidReference(f"image name {text!r} has no repository")
    if repository != repository.lower():
        raise InvalidReference(
            f"image name {text!r} is not valid: repositories are lower case",
            hint=f"write {text.replace(path, path.lower())!r}",
        )
    if len(repository) > PATH_LENGTH_MOST:
        raise InvalidReference(
            f"image name {text[:60]!r}… is not valid: a repository has at most {PATH_LENGTH_MOST} characters"
        )
    for component in repository.split("/"):
        if not _COMPONENT.fullmatch(component):
            rule = "letters and digits, joined by one '.', one or two '_', or any number of '-'"
            raise InvalidReference(f"image name {text!r}: {component!r} is not valid: a part has {rule}")


_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "x86": "386", "i386": "386", "i686": "386",
                  "aarch64": "arm64", "armhf": "arm", "armel": "arm"}  # fmt: skip
_KNOWN_ARCHITECTURES = {"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle",
                        "ppc64", "ppc64le", "riscv64", "s390x", "sparc64", "wasm"}  # fmt: skip
_COMPATIBLE_ARM = ("v8", "v7", "v6", "v5")


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """What an image runs on, `os/architecture[/variant]`, in the normal form of containerd."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `linux/arm64`, `linux/arm/v7`, or an architecture alone (`arm64`); any case."""
        parts = text.lower().split("/")
        well_formed = len(text) <= 100 and all(re.fullmatch(r"[a-z0-9_.-]+", part) for part in parts)
        names_none = len(parts) == 1 and cls.of("linux", parts[0]).architecture not in _KNOWN_ARCHITECTURES
        if len(parts) > 3 or not well_formed or names_none:
            raise InvalidReference(
                f"platform {text[:100]!r} is not of the form os/architecture[/variant]",
                hint="write a platform such as linux/amd64 or linux/arm/v7",
            )
        if len(parts) == 1:
            return cls.of("linux", parts[0])
        return cls.of(*parts)

    @classmethod
    def of(cls, os: str, architecture: str, variant: str = "") -> Platform:
        """The normal form: `x86_64` is `amd64`, `arm64/v8` is `arm64`, `arm` alone is `arm/v7`."""
        if architecture == "armel":
            variant = variant or "v6"
        normal = _ARCHITECTURES.get(architecture, architecture)
        if variant.isdigit():
            variant = f"v{variant}"
        if (normal, variant) in {("arm64", "v8"), ("amd64", "v1")}:
            variant = ""
        if (normal, variant) == ("arm", ""):
            variant = "v7"
        return cls(os, normal, variant)

    def is_kin_of(self, other: Platform) -> bool:
        """Whether it differs in the variant at most, which engines do not always tell."""
        return (self.os, self.architecture) == (other.os, other.architecture)

    @property
    def compatible(self) -> tuple[Platform, ...]:
        """What runs on this platform, best first: itself, then lower variants."""
        if self.architecture != "arm":
            plain = Platform(self.os, self.architecture)
            return (self,) if self.variant == "" else (self, plain)
        start = _COMPATIBLE_ARM.index(self.variant) if self.variant in _COMPATIBLE_ARM else 0
        lower = (Platform(self.os, "arm", variant) for variant in _COMPATIBLE_ARM[start:])
        return (self, *(platform for platform in lower if platform != self))

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
