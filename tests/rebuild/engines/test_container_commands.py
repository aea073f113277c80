"""What is made of an engine's answers about containers; the engines themselves are tried elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace

import pytest

from rebuild.engines import container_commands
from rebuild.engines.container import ContainerTrouble
from rebuild.engines.container_commands import ContainerCommands, Found
from rebuild.process import Captured

ENDING = Captured(125, b"", b"Error: container state improper: stopped")


class Scripted(ContainerCommands):
    """An engine whose answers are written down before."""

    removal = ("rm", "--force")

    def __init__(self, *answers: Captured) -> None:
        self.answers = list(answers)

    async def ask(self, *arguments: str) -> Captured:
        return self.answers.pop(0)

    def variables(self, text: str) -> Mapping[str, str]:
        return {}

    def trust(self) -> Sequence[str]:
        return ()

    def listed(self, output: bytes) -> Iterator[Found]:
        return iter(())

    def listing(self) -> Sequence[str]:
        return ()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_commands, "_ENDING_S", 0.0)


@pytest.mark.anyio
async def test_a_container_that_is_about_to_end_is_removed_when_it_has() -> None:
    engine = Scripted(ENDING, ENDING, Captured(0, b"", b""))

    await engine.remove("step")

    assert engine.answers == []


@pytest.mark.anyio
async def test_a_container_that_never_ends_is_told_of() -> None:
    engine = Scripted(*[ENDING] * 20)
    engine.calls = SimpleNamespace(kind="podman")  # type: ignore[assignment]

    with pytest.raises(ContainerTrouble, match=r"podman cannot remove step: .*state improper"):
        await engine.remove("step")

    assert len(engine.answers) == 9
