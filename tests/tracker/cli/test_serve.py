"""What `tracker serve` refuses before it serves."""

from __future__ import annotations

from tests.tracker.cli.conftest import Tracker


def test_an_address_that_is_none_is_wrong_use(tracker: Tracker) -> None:
    answer = tracker("serve", "--listen", "nonsense")

    assert (answer.status, answer.out) == (2, "")
    assert answer.err == (
        "error: --listen 'nonsense': an address is host:port, such as 127.0.0.1:8484 or [::1]:8484\n"
    )
