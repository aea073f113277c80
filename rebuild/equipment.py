"""What one run works with beside its definition: its own tools and secrets, for as long as it takes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rebuild.image_build import Tools
from rebuild.mask import CHARACTERS_LEAST, Masker, is_maskable, masked
from rebuild.runs import Run
from rebuild.secret import Secret
from rebuild.secret_reader import SecretUnavailable

if TYPE_CHECKING:  # a build of one Dockerfile starts no containers and should not wait for the import
    from rebuild.container import Containers

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
    git_token: Secret | None = None  # fetches the context
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
    """Between a run and those who hear its log: hides what the run was given, from then on."""

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self._hear = hear
        self._secrets: tuple[Secret, ...] = ()
        self._masker = Masker(())

    def learn(self, equipment: Equipment) -> None:
        """Hide these; say of those that cannot be hidden that they are not."""
        self.finish()
        self._secrets = (*equipment.secrets.values(), *equipment.hidden, *equipment.values.values())
        self._masker = Masker(self._secrets)
        for name in (name for name, secret in equipment.secrets.items() if not is_maskable(secret)):
            self._hear(
                f"warning: the secret {name} has fewer than {CHARACTERS_LEAST} characters: it is not hidden "
                "in this log\n".encode()
            )

    def __call__(self, piece: bytes) -> None:
        self._pass_on(self._masker.feed(piece))

    def finish(self) -> None:
        """Pass on what was held back."""
        self._pass_on(self._masker.flush())

    def hidden(self, text: str) -> str:
        """A message without what may not be seen."""
        return masked(text, self._secrets)

    def _pass_on(self, piece: bytes) -> None:
        if piece:
            self._hear(piece)
