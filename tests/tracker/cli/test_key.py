"""The key of stored values: checked, renewed, lost; and killed between any two steps of its renewal."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

from rebuild.secrets import key_file
from rebuild.secrets.cipher import Cipher
from rebuild.secrets.key_file import KEY_FILE, new_key, read_keys, replace_key_file
from rebuild.secrets.sealed import check_sealed
from tests.graph_samples import Sample
from tests.tracker.cli.conftest import Tracker
from tracker.cli import key as command
from tracker.equipping import cipher_of


@pytest.fixture
def state(tmp_path: Path, tracker: Tracker) -> Path:
    """Task `app` has a password as text, and one from the environment."""
    sample = Sample.make(tmp_path / "state")
    sample.task("app", "app")
    sample.sql.close()
    password = tmp_path / "password"
    password.write_text("hunter22")
    for host, source in (("a.example", "opaque:hunter22"), ("b.example", "env:PASSWORD")):
        given = ["--login-server", host, "-u", "robot", "-p", source]
        assert tracker("task", "credential", "add", "-n", "app", *given).status == 0
    return tmp_path / "state"


def sealed(state: Path) -> list[str]:
    with sqlite3.connect(state / "graph.db") as sql:
        return [row[0] for row in sql.execute("SELECT password FROM credentials ORDER BY registry")]


def opens(state: Path) -> bool:
    """Whether the key file as it is opens everything."""
    with sqlite3.connect(state / "graph.db") as sql:
        return not check_sealed(sql, Cipher(read_keys(state / KEY_FILE))).closed


def test_rotating_leaves_one_new_key_that_opens_everything(state: Path, tracker: Tracker) -> None:
    before, old = sealed(state), read_keys(state / KEY_FILE)

    answer = tracker("key", "rotate")

    after, new = sealed(state), read_keys(state / KEY_FILE)
    assert answer.status == 0
    assert (len(new), new == old, after[0] == before[0], after[1]) == (1, False, False, "env:PASSWORD")
    assert json.loads(tracker("key", "check", "--json").out) == {"current": 3, "older": 0, "closed": []}
    assert (state / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_a_running_service_takes_the_new_key_by_itself(state: Path, tracker: Tracker) -> None:
    find = cipher_of(state, {})
    find()

    tracker("key", "rotate")

    with sqlite3.connect(state / "graph.db") as sql:
        assert check_sealed(sql, find()).closed == ()


@pytest.mark.parametrize("point", ["replace_key_file", "reseal", "check_sealed", "second replace_key_file"])
def test_killed_at_any_point_the_key_file_opens_everything(
    state: Path, tracker: Tracker, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, calls = point.removeprefix("second "), 2 if point.startswith("second") else 1
    plain, left = getattr(command, name), [calls]

    def end(*arguments: object) -> object:
        left[0] -= 1
        if not left[0]:
            os._exit(9)
        return plain(*arguments)

    child = os.fork()
    if not child:
        monkeypatch.setattr(command, name, end)
        tracker("key", "rotate")
        os._exit(0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert opens(state)
    assert tracker("key", "rotate").status == 0
    assert (opens(state), len(read_keys(state / KEY_FILE))) == (True, 1)


def test_a_wrong_key_is_told_with_what_it_does_not_open(state: Path, tracker: Tracker) -> None:
    replace_key_file(state / KEY_FILE, [new_key()])

    answer = tracker("key", "check")

    assert answer.status == 1
    assert (
        "no key opens 3 values: username of task app for a.example, username of task app for b.example"
        in answer.err
    )
    assert "all other values serve as before" in answer.err
    assert "hunter22" not in answer.err


def test_with_a_wrong_key_nothing_is_resealed_and_the_value_is_named(state: Path, tracker: Tracker) -> None:
    before = sealed(state)
    replace_key_file(state / KEY_FILE, [new_key()])

    answer = tracker("key", "rotate")

    assert (answer.status, sealed(state)) == (1, before)
    assert "error: no key opens the username of task app for a.example: nothing was changed" in answer.err


def test_a_lost_key_may_come_back_in_a_file_of_its_own(state: Path, tracker: Tracker, tmp_path: Path) -> None:
    saved, new = tmp_path / "saved", tmp_path / "new"
    (state / KEY_FILE).rename(saved)
    key_file.make_key_file(new)

    assert tracker("key", "check").status == 2
    assert tracker("key", "reseal", "--keys", str(new), "--keys", str(saved)).status == 0
    assert tracker("key", "check", "--keys", str(new)).status == 0


def test_a_key_file_that_others_may_read_is_refused(state: Path, tracker: Tracker) -> None:
    (state / KEY_FILE).chmod(0o640)

    answer = tracker("key", "check")

    assert answer.status == 2
    assert "may be read or written by others" in answer.err


def test_a_key_that_is_a_credential_is_not_changed(
    state: Path, tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tracker-key").write_text(new_key().reveal())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    answer = tracker("key", "rotate")

    assert answer.status == 2
    assert "the key is the credential tracker-key" in answer.err


def test_where_nothing_is_stored_there_is_no_key_to_miss(tmp_path: Path, tracker: Tracker) -> None:
    Sample.make(tmp_path / "state").sql.close()

    assert tracker("key", "check").out == "0 values open with the first key, 0 only with an older one\n"
    assert tracker("key", "rotate").status == 2
    assert not (tmp_path / "state" / KEY_FILE).exists()
