"""The tables of tasks, runs, waves and the inbox; steps that are applied once each and never edited."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from graph.migrations import run_statements
from rebuild.sources.repository_url import key_of

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
          username TEXT,                    -- a source (kept_source.py); NULL: the password is a token
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
        -- JSON: what besides the branch a source trigger looks at, see rebuild/tasks/triggers.py.
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


@run_tables()
def repositories_that_are_asked(db: Database) -> None:
    run_statements(
        db,
        """
        -- Every git repository that a source trigger looks at, and when it is to be asked for its refs.
        CREATE TABLE repositories (
          id INTEGER PRIMARY KEY,
          url TEXT NOT NULL UNIQUE,
          host TEXT NOT NULL,
          due_at TEXT NOT NULL,
          asked_at TEXT,                    -- NULL: its refs have never been seen
          kinds TEXT NOT NULL DEFAULT '',   -- of the refs that were asked for then
          failures INTEGER NOT NULL DEFAULT 0,
          is_host_down INTEGER NOT NULL DEFAULT 0, -- the last failure was one of the host, not of this alone
          fault TEXT,
          hint TEXT,
          confirmed INTEGER NOT NULL DEFAULT 0, -- changes in a row that webhooks had told before the poll did
          missed INTEGER NOT NULL DEFAULT 0  -- changes that the poll alone has seen
        );
        CREATE INDEX repositories_due ON repositories(due_at);
        CREATE TABLE repository_heads (
          repository_id INTEGER NOT NULL REFERENCES repositories(id) ON DELETE CASCADE,
          ref TEXT NOT NULL,                -- refs/heads/main; of an annotated tag the commit that it names
          commit_id TEXT NOT NULL,
          PRIMARY KEY (repository_id, ref)
        ) WITHOUT ROWID;
        -- Why a forge does not let a task do something, until it does.
        CREATE TABLE forge_refusals (
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          what TEXT NOT NULL,               -- statuses, pull requests
          message TEXT NOT NULL,
          hint TEXT,
          at TEXT NOT NULL,
          PRIMARY KEY (task_id, what)
        ) WITHOUT ROWID;
        CREATE TABLE task_webhooks (
          task_id INTEGER PRIMARY KEY REFERENCES tasks(id) ON DELETE CASCADE,
          repository TEXT NOT NULL,         -- as the context names it
          url TEXT NOT NULL,                -- that the forge calls
          registered_at TEXT NOT NULL
        );
        """,
    )


@run_tables()
def what_forges_are_told(db: Database) -> None:
    run_statements(
        db,
        """
        -- What forges are to be told of commits. Triggers keep it in step with the runs, so that whatever
        -- changes a run changes what is told of it, in the same transaction.
        CREATE TABLE commit_statuses (
          id INTEGER PRIMARY KEY,
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          commit_id TEXT NOT NULL,
          run INTEGER NOT NULL,
          status TEXT NOT NULL,             -- of the run; Replaced: the run builds something else now
          told TEXT,                        -- the status that the forge has last been told
          due_at TEXT,                      -- NULL: nothing new to tell; empty: at once
          since_at TEXT,                    -- when telling this status was first tried
          attempts INTEGER NOT NULL DEFAULT 0,
          UNIQUE (task_id, commit_id)
        );
        CREATE INDEX commit_statuses_due ON commit_statuses(due_at) WHERE due_at IS NOT NULL;
        CREATE TRIGGER forges_hear_of_new_runs AFTER INSERT ON runs
          WHEN NEW.task_id IS NOT NULL AND json_extract(NEW.definition, '$.revision.commit') IS NOT NULL
          BEGIN INSERT INTO commit_statuses(task_id, commit_id, run, status, due_at) VALUES
            (NEW.task_id, json_extract(NEW.definition, '$.revision.commit'), NEW.number, NEW.status, '')
            ON CONFLICT(task_id, commit_id) DO UPDATE SET run = excluded.run, status = excluded.status,
              due_at = '', since_at = NULL, attempts = 0; END;
        CREATE TRIGGER forges_hear_how_runs_go_on AFTER UPDATE OF status ON runs
          WHEN NEW.task_id IS NOT NULL AND NEW.status <> OLD.status
          BEGIN UPDATE commit_statuses SET status = NEW.status, due_at = '', since_at = NULL, attempts = 0
            WHERE task_id = NEW.task_id AND run = NEW.number
            AND commit_id = json_extract(NEW.definition, '$.revision.commit'); END;
        CREATE TRIGGER forges_hear_what_runs_are_not_for AFTER UPDATE OF definition ON runs
          WHEN NEW.task_id IS NOT NULL AND json_extract(OLD.definition, '$.revision.commit')
            IS NOT json_extract(NEW.definition, '$.revision.commit')
          BEGIN UPDATE commit_statuses SET status = 'Replaced', due_at = '', since_at = NULL, attempts = 0
            WHERE task_id = NEW.task_id AND run = NEW.number
            AND commit_id = json_extract(OLD.definition, '$.revision.commit'); END;
        CREATE TRIGGER forges_hear_what_runs_are_for AFTER UPDATE OF definition ON runs
          WHEN NEW.task_id IS NOT NULL AND json_extract(NEW.definition, '$.revision.commit') IS NOT NULL
            AND json_extract(NEW.definition, '$.revision.commit')
              IS NOT json_extract(OLD.definition, '$.revision.commit')
          BEGIN INSERT INTO commit_statuses(task_id, commit_id, run, status, due_at) VALUES
            (NEW.task_id, json_extract(NEW.definition, '$.revision.commit'), NEW.number, NEW.status, '')
            ON CONFLICT(task_id, commit_id) DO UPDATE SET run = excluded.run, status = excluded.status,
              due_at = '', since_at = NULL, attempts = 0; END;
        """,
    )


@run_tables()
def messages_to_others(db: Database) -> None:
    run_statements(
        db,
        """
        -- What is to be sent to others, until it is taken or given up.
        CREATE TABLE outbox (
          id INTEGER PRIMARY KEY,
          -- The receiver knows a repetition by it.
          delivery TEXT NOT NULL UNIQUE DEFAULT ('msg_' || lower(hex(randomblob(16)))),
          kind TEXT NOT NULL,
          receiver TEXT NOT NULL,           -- a section of the settings; for an update trigger its server
          target INTEGER NOT NULL,          -- which of the receiver's addresses
          task_id INTEGER REFERENCES tasks(id) ON DELETE CASCADE,  -- of an update trigger
          body TEXT NOT NULL,               -- JSON, without any secret
          created_at TEXT NOT NULL,
          due_at TEXT NOT NULL,
          tries INTEGER NOT NULL DEFAULT 0,
          fault TEXT                        -- of the last try
        );
        CREATE INDEX outbox_by_lane ON outbox(kind, receiver, target, due_at);
        -- Whether its end has still to become messages.
        ALTER TABLE runs ADD COLUMN unannounced INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE waves ADD COLUMN unannounced INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX runs_unannounced ON runs(number) WHERE unannounced;
        CREATE INDEX waves_unannounced ON waves(id) WHERE unannounced;
        """,
    )


@run_tables()
def images_of_syntax_lines(db: Database) -> None:
    # Whether the image that a `# syntax=` line names counts as a base.
    run_statements(db, "ALTER TABLE base_image_triggers ADD COLUMN syntax INTEGER NOT NULL DEFAULT 1;")


@run_tables()
def steps_of_runs(db: Database) -> None:
    run_statements(
        db,
        """
        -- How the steps of a task file ended, as far as they have.
        CREATE TABLE steps (
          run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE,
          place INTEGER NOT NULL,           -- in the file, from 0
          id TEXT NOT NULL,
          kind TEXT NOT NULL,
          status TEXT NOT NULL,
          started_at TEXT,                  -- NULL: it never did
          finished_at TEXT,
          exit_code INTEGER,
          tries INTEGER NOT NULL,
          PRIMARY KEY (run, place)
        ) WITHOUT ROWID;
        CREATE TRIGGER steps_are_those_of_the_last_attempt AFTER UPDATE OF attempt ON runs
          BEGIN DELETE FROM steps WHERE run = NEW.number; END;
        """,
    )


@run_tables()
def what_events_told(db: Database) -> None:
    run_statements(
        db,
        """
        -- Whether changes in a place, a registry or one repository, are told of by events.
        CREATE TABLE event_paths (
          place TEXT PRIMARY KEY,
          source TEXT NOT NULL,             -- the sender that told last
          told INTEGER NOT NULL DEFAULT 0,  -- changes in a row
          told_since TEXT,
          told_at TEXT,
          missed INTEGER NOT NULL DEFAULT 0,
          missed_at TEXT,
          missed_name TEXT
        ) WITHOUT ROWID;
        CREATE TABLE event_words (
          image_id INTEGER PRIMARY KEY REFERENCES images(id) ON DELETE CASCADE,
          place TEXT NOT NULL,
          heard_at TEXT NOT NULL            -- when an event last told of the image
        );
        """,
    )


@run_tables()
def budgets_at_registries(db: Database) -> None:
    run_statements(
        db,
        """
        -- What registries last said that they still grant to an account; the empty one is nobody's.
        CREATE TABLE registry_budgets (
          registry TEXT NOT NULL,
          account TEXT NOT NULL,
          pulls_left INTEGER,
          pulls_limit INTEGER,
          window_s INTEGER,
          told_at TEXT,
          closed_until TEXT,                -- NULL: it may be asked
          PRIMARY KEY (registry, account)
        ) WITHOUT ROWID;
        """,
    )


@run_tables()
def repositories_of_tasks(db: Database) -> None:
    db.execute("ALTER TABLE tasks ADD COLUMN repository TEXT")  # the key of its context, where that is one
    db.execute("CREATE INDEX tasks_repository ON tasks(repository)")
    contexts = "SELECT id, json_extract(definition, '$.context') FROM tasks"
    for task_id, context in db.execute(contexts).fetchall():
        db.execute("UPDATE tasks SET repository = ? WHERE id = ?", (key_of(context), task_id))
