"""Fixtures of the tests of the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracker.api.desk import ApiDesk, api_desk


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiDesk]:
    with api_desk(tmp_path) as made:
        yield made
