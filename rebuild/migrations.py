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
