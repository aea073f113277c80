"""Fixtures that every test may ask for: real parts only."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.real_receiver import Receiver, real_receiver
from tests.real_registry import RealRegistry, real_registry

# A busy machine is no defect; and where nobody looks for new cases, a run is the same as the one before.
settings.register_profile("tracker", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("tracker")

# A shell that starts the tests in the background has them ignore Ctrl-C, and with them all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RealRegistry]:
    """A real registry of this test's own, empty."""
    with real_registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """Somebody who is told things over HTTP."""
    with real_receiver(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def shared_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """A real registry for the whole session; use repository names of your own in it."""
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running
