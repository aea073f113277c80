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


@run_tables()
def triggers_timers_and_canceling(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE base_image_triggers (  -- a task without a row here has the usual one
          task_id INTEGER PRIMARY KEY REFERENCES tasks(id) ON DELETE CASCADE,
          name TEXT NOT NULL,
          enabled INTEGER NOT NULL,
          bases TEXT NOT NULL,              -- All, Runtime
          endpoint TEXT,
          payload TEXT NOT NULL
        );
        CREATE TABLE source_triggers (
          task_id INTEGER PRIMARY KEY REFERENCES tasks(id) ON DELETE CASCADE,
          name TEXT NOT NULL,
          enabled INTEGER NOT NULL,
          commits INTEGER NOT NULL,
          pull_requests INTEGER NOT NULL,
          branch TEXT                       -- NULL: the default branch of the repository
        );
        CREATE TABLE timers (
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          name TEXT NOT NULL,
          schedule TEXT NOT NULL,
          enabled INTEGER NOT NULL,
          time_zone TEXT NOT NULL,
          PRIMARY KEY (task_id, name)
        ) WITHOUT ROWID;
        ALTER TABLE runs ADD COLUMN cancel_requested_at TEXT;
        ALTER TABLE runs ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX runs_archived ON runs(id) WHERE archived;
        CREATE INDEX runs_canceled ON runs(task_id) WHERE cancel_requested_at IS NOT NULL;
        """,
    )


@run_tables()
def runs_asked_of_the_service(db: Database) -> None:
    run_statements(
        db,
        """
        -- NULL: the process that carries it out asked for it.
        ALTER TABLE runs ADD COLUMN asked_by TEXT;
        CREATE TABLE run_secrets (
          run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE,
          use TEXT NOT NULL,
          name TEXT NOT NULL,
          source TEXT NOT NULL,             -- as in task_secrets
          PRIMARY KEY (run, use, name)
        ) WITHOUT ROWID;
        CREATE TRIGGER run_secrets_end_with_their_run AFTER UPDATE OF finished_at ON runs
          WHEN NEW.finished_at IS NOT NULL
          BEGIN DELETE FROM run_secrets WHERE run = NEW.number; END;
        """,
    )


@run_tables()
def when_timers_go_off(db: Database) -> None:
    run_statements(
        db,
        """
        -- When it is due. NULL: it rests.
        ALTER TABLE timers ADD COLUMN next_at TEXT;
        -- What the clock said when next_at was found.
        ALTER TABLE timers ADD COLUMN planned_at TEXT;
        -- When it last made a run.
        ALTER TABLE timers ADD COLUMN fired_at TEXT;
        CREATE INDEX timers_due ON timers(next_at) WHERE next_at IS NOT NULL;
        """,
    )


@run_tables()
def runs_of_a_wave(db: Database) -> None:
    # A wave that is deleted asks whether a run still names it.
    run_statements(db, "CREATE INDEX runs_by_wave ON runs(wave_id) WHERE wave_id IS NOT NULL;")


@run_tables()
def letters_of_many_senders(db: Database) -> None:
    run_statements(
        db,
        """
        ALTER TABLE inbox ADD COLUMN headers TEXT NOT NULL DEFAULT '{}';
        CREATE INDEX inbox_by_source ON inbox(source);
        """,
    )


@run_tables()
def the_way_out_of_a_failed_run(db: Database) -> None:
    run_statements(db, "ALTER TABLE runs ADD COLUMN hint TEXT;")


@run_tables()
def events_of_repositories(db: Database) -> None:
    run_statements(
        db,
        """
        -- JSON: what besides the branch a source trigger looks at, see rebuild/triggers.py.
        ALTER TABLE source_triggers ADD COLUMN filters TEXT NOT NULL DEFAULT '{}';
        -- What of a repository has been seen for a task. Of a subject the newest row is where it stands;
        -- the commits of the others are known to be older.
        CREATE TABLE source_commits (
          id INTEGER PRIMARY KEY,
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          subject TEXT NOT NULL,            -- heads/main, tags/v1, pull/7
          commit_id TEXT NOT NULL,          -- empty: it was deleted
          seen_at TEXT NOT NULL,
          UNIQUE (task_id, subject, commit_id)
        );
        -- Commits that wait for their run, the newest of each subject.
        CREATE TABLE source_requests (
          id INTEGER PRIMARY KEY,
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          subject TEXT NOT NULL,
          revision TEXT NOT NULL,           -- JSON
          reason TEXT NOT NULL,             -- JSON, as runs have it
          asked_at TEXT NOT NULL,
          UNIQUE (task_id, subject)
        );
        CREATE TABLE hook_inbox (
          id INTEGER PRIMARY KEY,
          source TEXT NOT NULL,
          received_at TEXT NOT NULL,
          payload BLOB NOT NULL,
          headers TEXT NOT NULL DEFAULT '{}'
        );
        CREATE INDEX hook_inbox_by_source ON hook_inbox(source);
        -- What tries a pull request out makes none of the task's images: it waits for nothing of the task.
        DROP INDEX one_queued_run_a_task;
        CREATE UNIQUE INDEX one_queued_run_a_task ON runs(task_id)
          WHERE status = 'Queued' AND task_id IS NOT NULL AND cause <> 'pull-request';
        """,
    )
