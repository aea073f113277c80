"""The tables of tasks, runs, waves and the inbox; steps that are applied once each and never edited."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from graph.migrations import run_statements

run_tables = Migrations("rebuild")


@run_tables()
def tasks_and_runs(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE tasks (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          definition TEXT NOT NULL,
          enabled INTEGER NOT NULL DEFAULT 1,
          created_at TEXT NOT NULL,
          updated_at TEXT NOT NULL
        );
        CREATE TABLE waves (
          id INTEGER PRIMARY KEY,
          created_at TEXT NOT NULL,
          finished_at TEXT,
          planned TEXT NOT NULL,            -- task ids in order, as planned when it began
          critical_path_s REAL NOT NULL,
          work_s REAL NOT NULL
        );
        CREATE TABLE runs (
          number INTEGER PRIMARY KEY,
          id TEXT NOT NULL UNIQUE,
          task_id INTEGER REFERENCES tasks(id),
          wave_id INTEGER REFERENCES waves(id),
          cause TEXT NOT NULL,
          reason TEXT NOT NULL,             -- JSON: what moved, from where to where
          definition TEXT NOT NULL,         -- JSON: what to build, as it stood when the run was asked for
          status TEXT NOT NULL,
          priority REAL NOT NULL DEFAULT 0,
          attempt INTEGER NOT NULL DEFAULT 1,
          owner TEXT,                       -- the process that carries it out
          intent TEXT,                      -- JSON: the build that is about to be pushed
          outputs TEXT NOT NULL DEFAULT '[]',
          error TEXT,
          created_at TEXT NOT NULL,
          started_at TEXT,
          finished_at TEXT
        );
        CREATE INDEX runs_by_task ON runs(task_id, number);
        CREATE INDEX runs_open ON runs(status) WHERE finished_at IS NULL;
        CREATE UNIQUE INDEX one_queued_run_a_task ON runs(task_id)
          WHERE status = 'Queued' AND task_id IS NOT NULL;
        CREATE TABLE inbox (
          id INTEGER PRIMARY KEY,
          source TEXT NOT NULL,
          received_at TEXT NOT NULL,
          payload BLOB NOT NULL
        );
        """,
    )


@run_tables()
def credentials_secrets_and_tokens(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE credentials (
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          registry TEXT NOT NULL,
          username TEXT,                    -- a source, see rebuild/kept_source.py; NULL: password is a token
          password TEXT NOT NULL,
          created_at TEXT NOT NULL,
          updated_at TEXT NOT NULL,
          PRIMARY KEY (task_id, registry)
        ) WITHOUT ROWID;
        CREATE TABLE task_secrets (
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          use TEXT NOT NULL,
          name TEXT NOT NULL,
          source TEXT NOT NULL,
          updated_at TEXT NOT NULL,
          PRIMARY KEY (task_id, use, name)
        ) WITHOUT ROWID;
        CREATE TABLE tokens (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          hash BLOB NOT NULL,               -- SHA-256 of the token, which is random: no salt, no stretching
          scopes TEXT NOT NULL,
          created_at TEXT NOT NULL,
          last_used_at TEXT,
          expires_at TEXT
        );
        """,
    )
