"""What one run works with beside its definition: its own tools and secrets, for as long as it takes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from graph.record import dataclass
from rebuild.context.reach import Reach
from rebuild.images.tools import Tools
from rebuild.runs.table import Run
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.mask import CHARACTERS_LEAST, Masker, is_maskable
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import SecretUnavailable

if TYPE_CHECKING:  # a build of one Dockerfile starts no containers and should not wait for the import
    from rebuild.engines.container import Containers

ReadKeyvaults = Callable[[Mapping[str, str]], Awaitable[Mapping[str, Secret]]]


async def _no_vault(wanted: Mapping[str, str]) -> Mapping[str, Secret]:
    raise SecretUnavailable(f"no vault is at hand for {', '.join(wanted)}")


@dataclass(frozen=True, slots=True)
class Equipment:
    """Tools that know who the run is to registries, the secrets of its build, and what no log may show."""

    tools: Tools
    secrets: Mapping[str, Secret] = field(default_factory=dict)  # by the id that `RUN --mount` names
    hidden: tuple[Secret, ...] = ()  # besides those
    values: Mapping[str, Secret] = field(default_factory=dict)  # `.Values.NAME` of templates
    context_secrets: ContextSecrets = field(default_factory=ContextSecrets)  # they fetch the context
    reach: Reach = field(default_factory=Reach)  # for everything that is fetched, steps' own contexts, too
    stdin: BinaryIO | None = None  # of the command that asked; what the context `-` is read from, unbuffered
    containers: Containers | None = None  # what steps run in; None where a run has none
    read_keyvaults: ReadKeyvaults = _no_vault  # values of a task file's `secrets:`, by id


class Equip(Protocol):
    """Fetches what a run needs; raises `TrackerError`, of which the run then tells."""

    def __call__(self, run: Run, folder: Path) -> contextlib.AbstractAsyncContextManager[Equipment]:
        """`folder` is the run's alone and is removed after it."""


def same_for_all(tools: Tools, secrets: Mapping[str, Secret] | None = None) -> Equip:
    """For runs that have no credentials of their own."""

    @contextlib.asynccontextmanager
    async def equip(run: Run, folder: Path) -> AsyncIterator[Equipment]:
        yield Equipment(tools, secrets or {})

    return equip


class Discretion:
    """Between a run and those who hear its log: hides what the run was given, from then on.

    It is one stream. What is printed at the same time as something else takes a stream of its own: a
    secret that comes in two pieces would not be known with a foreign one between them.
    """

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self._hear = hear
        self._secrets: tuple[Secret, ...] = ()
        self._masker = Masker(())

    def learn(self, equipment: Equipment) -> None:
        """Hide what is in it; say of what cannot be hidden that it is not."""
        named = {**equipment.values, **equipment.secrets}
        self._learn((*equipment.secrets.values(), *equipment.values.values(), *equipment.hidden))
        for name in (name for name, secret in named.items() if _is_shown(secret)):
            self._warn(f"the secret {name}")

    def learn_more(self, secrets: Iterable[Secret]) -> None:
        """Hide these as well, which have no names."""
        new = [secret for secret in secrets if secret not in self._secrets]
        self._learn(new)
        if any(_is_shown(secret) for secret in new):
            self._warn("a secret of the task file")

    def _learn(self, secrets: Iterable[Secret]) -> None:
        self.finish()
        self._secrets = (*self._secrets, *secrets)
        self._masker = Masker(self._secrets)

    def __call__(self, piece: bytes) -> None:
        self.tell(self._masker.feed(piece))

    def finish(self) -> None:
        """Pass on what was held back."""
        self.tell(self._masker.flush())

    def masker(self) -> Masker:
        """For a stream of its own, with what is known by now; what it answers is for `tell`."""
        return self._masker.beside()

    @contextlib.contextmanager
    def stream(self) -> Iterator[Callable[[bytes], None]]:
        """A stream beside this one, for as long as the block lasts."""
        masker = self.masker()
        try:
            yield lambda piece: self.tell(masker.feed(piece))
        finally:
            self.tell(masker.flush())

    def hidden(self, text: str) -> str:
        """A message without what may not be seen; it is whole, for nobody knows a half of a secret."""
        return self._masker.whole(text.encode(errors="replace")).decode(errors="replace")

    def tell(self, piece: bytes) -> None:
        """Pass on what hides nothing, or hides it already."""
        if piece:
            self._hear(piece)

    def _warn(self, which: str) -> None:
        few = f"has fewer than {CHARACTERS_LEAST} characters"
        self._hear(f"warning: {which} {few}: it is not hidden in this log\n".encode())


def _is_shown(secret: Secret) -> bool:
    return bool(secret.reveal().strip()) and not is_maskable(secret)
