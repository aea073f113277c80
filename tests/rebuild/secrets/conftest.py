"""A database with two tasks, and a cipher that tells whether it was needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from graph.database import open_for_writing
from graph.migrations import graph_tables, migrate
from graph.reference import Platform
from rebuild.migrations import run_tables
from rebuild.runs.definition import Definition, DockerStep
from rebuild.secrets.cipher import Cipher
from rebuild.secrets.secret import Secret
from rebuild.tasks.task import Tasks

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def new_key() -> Secret:
    return Secret(Fernet.generate_key().decode())


@dataclass
class Keys:
    """Stands for the key file: `find` is what a table asks for a cipher."""

    keys: list[Secret] = field(default_factory=lambda: [new_key()])
    asked: int = 0

    def find(self) -> Cipher:
        self.asked += 1
        return Cipher(self.keys)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def sql(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Tasks 1 and 2 exist."""
    connection = open_for_writing(tmp_path / "graph.db")
    migrate(connection, graph_tables, run_tables)
    definition = Definition(str(tmp_path), DockerStep(), Platform.parse("linux/amd64"))
    for name in ("shop", "worker"):
        Tasks(connection).save(name, definition, NOW)
    yield connection
    connection.close()


def content_of(connection: sqlite3.Connection) -> str:
    """All that is in the database, as text."""
    return "\n".join(connection.iterdump())
