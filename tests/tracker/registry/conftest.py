"""Fixtures of the registry client's tests."""

from __future__ import annotations

from functools import partial

import pytest

from tests.tracker.registry.servers import Connect
from tracker.registry import RegistryClient
from tracker.registry.aiohttp_transport import many_questions
from tracker.registry.transport import few_questions


@pytest.fixture(params=[few_questions, many_questions], ids=["httpx", "aiohttp"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Makes clients; what is promised holds over both transports."""
    return partial(RegistryClient, transport=request.param)
