"""Where the state folder is and what lies in it. Light: reading commands import this and not the settings."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from graph.database import SCHEMA, open_for_reading, open_for_writing, steps_applied
from graph.errors import StoreError, WrongUse
from graph.record import dataclass
from tracker.settings.written import read_written

# Of each set of migrations. Loading them only to find nothing to do takes longer than all else here.
STEPS = {"graph": SCHEMA, "rebuild": 18}


@dataclass(frozen=True, slots=True)
class State:
    """The state folder: one database, one log a run, contexts sent here, scratch folders of builds."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "graph.db"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def socket(self) -> Path:
        """Where the service of this folder answers: a socket, or a link to it."""
        return self.folder / "tracker.sock"

    @property
    def lock(self) -> Path:
        """The service of this folder holds it while it runs."""
        return self.folder / "serve.lock"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def read(self) -> sqlite3.Connection:
        """The database, for looking only."""
        try:
            return open_for_reading(self.database)
        except OSError as error:
            raise StoreError(
                f"cannot read {self.database}: {error.strerror}",
                hint="look as the user that tracker runs as, or name another folder with --state",
            ) from error

    def write(self) -> sqlite3.Connection:
        """The database, brought up to date; the folders exist afterwards."""
        self._make_folders()
        connection = open_for_writing(self.database)
        applied = steps_applied(connection)
        if any(applied.get(name, 0) > known for name, known in STEPS.items()):
            connection.close()
            raise StoreError(
                f"the database {self.database} is of a newer version of tracker: this one would damage it",
                hint="use that version, or name another folder with --state",
            )
        if applied != STEPS:
            _migrate(connection)
        return connection

    def open_lock(self) -> TextIO:
        """For the service to hold; the folder exists afterwards."""
        self._make_folders()
        try:
            return self.lock.open("a")
        except OSError as error:
            raise _not_ours(f"cannot write in the state folder {self.folder}", error) from error

    def _make_folders(self) -> None:
        for folder in (self.folder, self.logs, self.scratch):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise _not_ours(f"cannot make the state folder {folder}", error) from error


def _not_ours(what: str, error: OSError) -> WrongUse:
    hint = "name a folder that is yours to write with --state or TRACKER_STATE"
    return WrongUse(f"{what}: {error.strerror}", hint=hint)


def _migrate(connection: sqlite3.Connection) -> None:
    from graph.migrations import graph_tables, migrate
    from rebuild.migrations import run_tables

    migrate(connection, graph_tables, run_tables)


def find_config(asked: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The settings file: the one asked for, else the first that exists of the usual places."""
    named = asked or (Path(environment["TRACKER_CONFIG"]) if environment.get("TRACKER_CONFIG") else None)
    if named is None:
        return next((path for path in usual_configs(environment) if not _fault_of(path)), None)
    if fault := _fault_of(named):
        raise WrongUse(
            f"{'--config' if asked else 'TRACKER_CONFIG'}: settings file {named} {fault}",
            hint="name an existing file with --config or TRACKER_CONFIG, or neither",
        )
    return named


def _fault_of(path: Path) -> str | None:
    """Why there is no settings file for us; the home of another user, say, may not be looked into."""
    try:
        if path.is_file():
            return None
        return "is not a file" if path.exists() else "does not exist"
    except OSError as error:
        return f"cannot be reached: {error.strerror}"


def usual_configs(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where a settings file is looked for, first place first."""
    own = _home(environment, "XDG_CONFIG_HOME", ".config") / "tracker/tracker.toml"
    return own, Path("/etc/tracker/tracker.toml")


def find_state(asked: Path | None, config: Path | None, environment: Mapping[str, str] = os.environ) -> State:
    """The state folder: command line, environment, settings, systemd, then the place usual for the user."""
    configured = None if asked else read_written(config, environment).get("state")
    named = asked or environment.get("TRACKER_STATE") or configured or environment.get("STATE_DIRECTORY")
    if named:
        return State(Path(str(named)).expanduser().absolute())
    if os.geteuid() == 0:
        return State(Path("/var/lib/tracker"))
    return State(_home(environment, "XDG_STATE_HOME", ".local/state") / "tracker")


def home_of(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's own folder; one that is not there for a user without any, as in containers."""
    try:
        return Path(environment.get("HOME") or Path.home())
    except RuntimeError:
        return Path("/nonexistent")


def _home(environment: Mapping[str, str], variable: str, default: str) -> Path:
    return Path(environment.get(variable) or home_of(environment) / default)
