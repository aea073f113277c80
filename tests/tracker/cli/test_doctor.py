"""`tracker doctor`: what it says of machines on which something is wrong. No engine is on its path."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.graph_samples import Sample, single
from tests.hostile_registry import HostileRegistry, Reply, hostile_registry
from tests.real_registry import RealRegistry, free_port
from tests.tracker.cli.conftest import Tracker
from tests.tracker.registry.content import Pusher, image
from tracker.state import State

Findings = Callable[[], dict[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER__SERVE__LISTEN", f"127.0.0.1:{free_port()}")


@pytest.fixture
def service() -> Iterator[HostileRegistry]:
    """Something that answers where the service should."""
    with hostile_registry() as running:
        yield running


@pytest.fixture
def findings(tracker: Tracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Findings:
    """All that is found, by subject."""

    def find() -> dict[str, dict[str, Any]]:
        monkeypatch.setenv("PATH", str(tmp_path))  # only now: what a test needs may be started by then
        return {found["subject"]: found for found in tracker("doctor", "--json").json}

    return find


def built_on(folder: Path, base: str) -> None:
    state = State(folder)
    with contextlib.closing(state.write()) as connection:
        sample = Sample(state, connection)
        sample.observe(base, single("base"), hours=5)
        sample.build("app:1", base, hours=4)


def test_settings_are_told_with_the_variables_that_count(findings: Findings) -> None:
    assert findings()["settings"]["text"] == "no file, TRACKER__SERVE__LISTEN"


def test_a_file_that_settings_name_and_that_does_not_exist_is_a_fault(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER__SSH__KEY_FILE", "/no/key")

    assert findings()["settings"] == {
        "subject": "settings",
        "mark": "fault",
        "text": "ssh.key_file: /no/key: No such file or directory",
        "hint": "make this file, or name another",
    }


def test_a_machine_without_an_engine_is_told_what_to_install(findings: Findings) -> None:
    assert findings()["engine"] == {
        "subject": "engine",
        "mark": "fault",
        "text": "no engine on this machine can build: podman: podman is not installed; "
        "docker: docker is not installed",
        "hint": "on Debian: apt-get install podman runc; `tracker doctor` prints what was tried",
    }


def test_a_fault_makes_the_exit_status_1(tracker: Tracker, findings: Findings) -> None:
    findings()

    assert tracker("doctor").status == 1


def test_a_state_folder_below_a_file_is_one_finding_among_others(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "state"

    answer = tracker("--state", str(place), "doctor", "--json")

    found = {each["subject"]: each for each in answer.json}
    assert (found["state"]["mark"], found["state"]["text"]) == ("fault", f"{place}: Not a directory")
    assert found.keys() >= {"settings", "state", "database", "engine", "service"}


def test_a_database_that_is_none_is_one_finding_among_others(findings: Findings, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "graph.db").write_bytes(b"something else" * 1000)

    found = findings()

    assert found["database"]["mark"] == "fault"
    assert found.keys() == {"settings", "state", "database", "engine", "service"}


def test_a_watched_registry_is_asked(findings: Findings, tmp_path: Path, registry: RealRegistry) -> None:
    Pusher(registry.url).image("base", "1", image("base"))
    built_on(tmp_path / "state", f"{registry.host}/base:1")

    found = findings()

    assert (found[registry.host]["mark"], found[registry.host]["text"]) == (
        "ok",
        f"answers about {registry.host}/base:1",
    )


def test_a_registry_that_is_away_is_named_once(findings: Findings, tmp_path: Path) -> None:
    built_on(tmp_path / "state", "localhost:1/base:1")

    found = findings()["localhost:1"]

    assert (found["mark"], found["text"]) == ("fault", "base:1: cannot connect: Connection refused")


def test_the_service_is_asked_without_a_proxy(
    findings: Findings, service: HostileRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.script = [Reply(200)]
    monkeypatch.setenv("TRACKER__SERVE__LISTEN", service.host)
    monkeypatch.setenv("http_proxy", "http://localhost:1")

    assert findings()["service"]["text"] == f"http://{service.host}/readyz answers 200"


def test_something_else_at_the_place_of_the_service_is_told(
    findings: Findings, service: HostileRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.script = [Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n")]
    monkeypatch.setenv("TRACKER__SERVE__LISTEN", service.host)

    found = findings()["service"]

    assert found["mark"] == "fault"
    assert found["text"].endswith("that is no tracker")
