"""What `tracker serve` refuses before it serves."""

from __future__ import annotations

from pathlib import Path

from tests.tracker.cli.conftest import Tracker


def test_an_address_that_is_none_is_wrong_use(tracker: Tracker) -> None:
    answer = tracker("serve", "--listen", "nonsense")

    assert (answer.status, answer.out) == (2, "")
    assert answer.err == (
        "error: --listen 'nonsense': an address is host:port, such as 127.0.0.1:8484 or [::1]:8484\n"
    )


def test_every_file_that_the_service_cannot_read_is_told_before_it_serves(
    tracker: Tracker, tmp_path: Path
) -> None:
    settings = tmp_path / "tracker.toml"
    settings.write_text(
        '[events.quay]\nsecret_file = "/run/credentials/tracker.service/quay"\n'
        '[registries."r.example"]\nca_file = "/no/ca.pem"\n'
    )

    answer = tracker("--config", str(settings), "serve", "--listen", "127.0.0.1:0")

    assert (answer.status, answer.out) == (2, "")
    assert answer.err.splitlines() == [
        f"error: {settings}: settings are not valid:",
        "  registries.r.example.ca_file: /no/ca.pem: No such file or directory",
        "  events.quay.secret_file: /run/credentials/tracker.service/quay: No such file or directory",
        "hint: the service's user must be able to read these files",
    ]
