"""Where the settings file and the state folder are found."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from graph.database import open_for_writing, steps_applied
from graph.errors import StoreError, WrongUse
from graph.migrations import graph_tables, migrate
from rebuild.migrations import run_tables
from tracker.settings.written import ConfigError
from tracker.state import STEPS, State, find_config, find_state


def test_the_settings_file_that_was_asked_for_is_taken(tmp_path: Path) -> None:
    asked, other = tmp_path / "asked.toml", tmp_path / "other.toml"
    asked.touch()
    other.touch()

    assert find_config(asked, {"TRACKER_CONFIG": str(other)}) == asked
    assert find_config(None, {"TRACKER_CONFIG": str(other)}) == other


def test_the_users_own_settings_file_comes_before_that_of_the_machine(tmp_path: Path) -> None:
    own = tmp_path / "tracker/tracker.toml"
    own.parent.mkdir()
    own.touch()

    assert find_config(None, {"XDG_CONFIG_HOME": str(tmp_path)}) == own


@pytest.mark.parametrize(
    ("asked", "environment", "who"),
    [(Path("/no/such"), {}, "--config"), (None, {"TRACKER_CONFIG": "/no/such"}, "TRACKER_CONFIG")],
)
def test_a_named_settings_file_must_exist(asked: Path | None, environment: dict[str, str], who: str) -> None:
    with pytest.raises(WrongUse, match=f"{who}: settings file /no/such does not exist"):
        find_config(asked, environment)


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="is not a file"):
        find_config(tmp_path, {})


def test_a_settings_file_that_cannot_be_reached_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    endless = tmp_path / ("n" * 300)

    with pytest.raises(WrongUse, match="cannot be reached: File name too long"):
        find_config(endless, {})


def test_the_state_folder_is_looked_for_in_the_documented_order(tmp_path: Path) -> None:
    config = tmp_path / "tracker.toml"
    config.write_text('state = "/by/settings"')
    everywhere = {
        "TRACKER_STATE": "/by/variable",
        "TRACKER__STATE": "/by/setting/variable",
        "STATE_DIRECTORY": "/by/systemd",
        "XDG_STATE_HOME": "/by/user",
    }

    found = [find_state(Path("/by/option"), config, everywhere).folder]
    for variable in ("TRACKER_STATE", "TRACKER__STATE"):
        found.append(find_state(None, config, everywhere).folder)
        del everywhere[variable]
    found.append(find_state(None, config, everywhere).folder)
    found.append(find_state(None, None, everywhere).folder)

    assert found == [
        Path(f"/by/{place}") for place in ("option", "variable", "setting/variable", "settings", "systemd")
    ]


def test_without_any_word_the_state_is_where_it_is_usual_for_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_state(None, None, {}).folder == Path("/var/lib/tracker")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find_state(None, None, {"XDG_STATE_HOME": "/u"}).folder == Path("/u/tracker")
    assert find_state(None, None, {}).folder == Path.home() / ".local/state/tracker"


def test_a_broken_settings_file_is_named_when_the_state_is_looked_for(tmp_path: Path) -> None:
    config = tmp_path / "tracker.toml"
    config.write_text("state = ")

    with pytest.raises(ConfigError, match=f"{config}: "):
        find_state(None, config, {})


def test_writing_makes_the_folders_for_their_owner_alone(tmp_path: Path) -> None:
    state = State(tmp_path / "state")

    state.write().close()

    modes = {path.name: path.stat().st_mode & 0o777 for path in (state.folder, state.logs, state.scratch)}
    assert modes == {"state": 0o700, "logs": 0o700, "scratch": 0o700}


def test_a_file_that_is_up_to_date_is_known_by_the_number_of_its_steps(tmp_path: Path) -> None:
    connection = State(tmp_path).write()

    assert steps_applied(connection) == STEPS
    assert [steps.pending(Database(connection)) for steps in (graph_tables, run_tables)] == [[], []]
    connection.close()


def test_a_file_that_lacks_a_set_of_tables_gets_it(tmp_path: Path) -> None:
    of_the_graph_alone = open_for_writing(tmp_path / "graph.db")
    migrate(of_the_graph_alone, graph_tables)
    of_the_graph_alone.close()

    connection = State(tmp_path).write()

    assert steps_applied(connection) == STEPS
    connection.close()


def test_what_is_read_cannot_be_written(tmp_path: Path) -> None:
    State(tmp_path).write().close()
    connection = State(tmp_path).read()

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM images")
    connection.close()


def test_reading_without_a_database_is_an_error_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing has been recorded yet"):
        State(tmp_path).read()

    assert list(tmp_path.iterdir()) == []


def test_a_state_folder_that_cannot_be_made_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(WrongUse, match="cannot make the state folder"):
        State(tmp_path / "file/state").write()


def test_a_folder_that_no_service_can_hold_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(WrongUse, match=r"cannot make the state folder .*/file/state: Not a directory"):
        State(tmp_path / "file/state").open_lock()
