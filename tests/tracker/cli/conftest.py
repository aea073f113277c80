"""A command line on sample graphs, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.graph_samples import Sample, diamond
from tracker.cli.main import run


@dataclass(frozen=True)
class Answer:
    """What a command line printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Tracker = Callable[..., Answer]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own settings; a terminal of 80 columns."""
    for name in ("TRACKER_CONFIG", "TRACKER_STATE", "STATE_DIRECTORY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = diamond(tmp_path / "state")
    yield made
    made.sql.close()


@pytest.fixture
def tracker(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Tracker:
    """Carries out one command line on the state folder of this test."""

    def carry_out(*words: str) -> Answer:
        status = run(["--state", str(tmp_path / "state"), *words])
        printed = capsysbinary.readouterr()
        return Answer(status, printed.out.decode(), printed.err.decode())

    return carry_out
