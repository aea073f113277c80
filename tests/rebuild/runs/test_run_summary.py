"""The last sentence on a run."""

from __future__ import annotations

import pytest

from rebuild.runs.record import Status
from rebuild.runs.run_summary import summary


@pytest.mark.parametrize(
    ("status", "took_s", "said"),
    [
        (Status.SUCCEEDED, 27.4, "Run ID: c7 was successful after 27s"),
        (Status.FAILED, 0.2, "Run ID: c7 failed after 0s"),
        (Status.TIMEOUT, 3600.0, "Run ID: c7 timed out after 3600s"),
        (Status.ERROR, 1.0, "Run ID: c7 ended with an error after 1s"),
        (Status.CANCELED, None, "Run ID: c7 was canceled"),
        (Status.QUEUED, None, "Run ID: c7 is Queued"),
    ],
)
def test_how_a_run_ended_is_said_as_scripts_expect_it(
    status: Status, took_s: float | None, said: str
) -> None:
    assert summary("c7", status, took_s) == said
