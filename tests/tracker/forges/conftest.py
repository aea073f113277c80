"""What the tests of forges share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tracker.forges.client import ForgeClient


@pytest.fixture
async def client() -> AsyncIterator[ForgeClient]:
    async with ForgeClient() as made:
        yield made
