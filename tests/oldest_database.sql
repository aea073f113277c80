PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES(1,'graph','images_and_digests','2026-01-01 00:00:00.199967+00:00');
INSERT INTO _sqlite_migrations VALUES(2,'graph','builds_and_edges','2026-01-01 00:00:00.200740+00:00');
INSERT INTO _sqlite_migrations VALUES(3,'graph','layers','2026-01-01 00:00:00.201173+00:00');
INSERT INTO _sqlite_migrations VALUES(4,'graph','observations','2026-01-01 00:00:00.201698+00:00');
INSERT INTO _sqlite_migrations VALUES(5,'rebuild','tasks_and_runs','2026-01-01 00:00:00.202864+00:00');
CREATE TABLE digests (
          id INTEGER PRIMARY KEY,
          value TEXT NOT NULL UNIQUE,
          looked_into INTEGER NOT NULL DEFAULT 0  -- 1: its manifests are known (none: it is no index)
        );
INSERT INTO digests VALUES(1,'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1);
INSERT INTO digests VALUES(2,'sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',1);
CREATE TABLE manifests (
          index_id INTEGER NOT NULL REFERENCES digests(id),
          platform TEXT NOT NULL,
          digest_id INTEGER NOT NULL REFERENCES digests(id),
          PRIMARY KEY (index_id, platform)
        ) WITHOUT ROWID;
CREATE TABLE images (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          origin TEXT NOT NULL,
          task_id INTEGER,
          build_id INTEGER
        );
INSERT INTO images VALUES(1,'docker.io/library/alpine:3','external',NULL,NULL);
INSERT INTO images VALUES(2,'registry.example.com/web:1','built',1,1);
CREATE TABLE builds (
          id INTEGER PRIMARY KEY,
          run_id TEXT,
          task_id INTEGER,
          digest_id INTEGER REFERENCES digests(id),
          content_id TEXT NOT NULL,
          platforms TEXT NOT NULL,
          pushed INTEGER NOT NULL,
          built_at TEXT NOT NULL,
          duration_s REAL NOT NULL
        );
INSERT INTO builds VALUES(1,'aa1',1,2,'content','linux/amd64',1,'2026-01-01T00:00:00.000Z',4.5);
CREATE TABLE edges (
          image_id INTEGER NOT NULL REFERENCES images(id),
          base_id INTEGER NOT NULL REFERENCES images(id),
          role TEXT NOT NULL,
          via TEXT NOT NULL,
          stage TEXT NOT NULL,
          line INTEGER NOT NULL,
          digest_id INTEGER NOT NULL REFERENCES digests(id),
          platforms TEXT NOT NULL,
          followed INTEGER NOT NULL DEFAULT 1,  -- 0: would close a circle, so a change there rebuilds nothing
          PRIMARY KEY (image_id, base_id)
        ) WITHOUT ROWID;
INSERT INTO edges VALUES(2,1,'runtime','from','0',1,1,'linux/amd64',1);
CREATE TABLE build_bases (
          build_id INTEGER NOT NULL REFERENCES builds(id),
          base_id INTEGER NOT NULL REFERENCES images(id),
          role TEXT NOT NULL,
          via TEXT NOT NULL,
          stage TEXT NOT NULL,
          line INTEGER NOT NULL,
          digest_id INTEGER NOT NULL REFERENCES digests(id),
          platforms TEXT NOT NULL,
          PRIMARY KEY (build_id, base_id)
        ) WITHOUT ROWID;
INSERT INTO build_bases VALUES(1,1,'runtime','from','0',1,1,'linux/amd64');
CREATE TABLE layers (
          digest_id INTEGER PRIMARY KEY REFERENCES digests(id),  -- of a platform's manifest
          diff_ids TEXT NOT NULL                                 -- uncompressed layers, lowest first
        );
CREATE TABLE observations (
          image_id INTEGER PRIMARY KEY REFERENCES images(id),
          digest_id INTEGER REFERENCES digests(id),
          changed_at TEXT,           -- when this digest was first seen there
          checked_at TEXT,           -- when the registry last answered
          due_at TEXT,               -- when to ask next; NULL: nobody stands on it
          failures INTEGER NOT NULL DEFAULT 0,
          error TEXT
        );
INSERT INTO observations VALUES(1,1,'2026-01-01T00:00:00.000Z','2026-01-01T00:00:00.000Z','2026-01-01T00:00:00.000Z',0,NULL);
CREATE TABLE observation_history (
          id INTEGER PRIMARY KEY,
          image_id INTEGER NOT NULL REFERENCES images(id),
          digest_id INTEGER NOT NULL REFERENCES digests(id),
          previous_id INTEGER REFERENCES digests(id),
          observed_at TEXT NOT NULL,
          source TEXT NOT NULL
        );
CREATE TABLE tasks (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          definition TEXT NOT NULL,
          enabled INTEGER NOT NULL DEFAULT 1,
          created_at TEXT NOT NULL,
          updated_at TEXT NOT NULL
        );
INSERT INTO tasks VALUES(1,'web','{"context": "https://github.com/Team/Shop.git#main", "platform": "linux/amd64", "step": {"build_args": {}, "dockerfile": null, "images": ["registry.example.com/web:1"], "kind": "docker", "no_cache": false, "push": true, "target": null}, "timeout_s": 3600.0}',1,'2026-01-01T00:00:00.000Z','2026-01-01T00:00:00.000Z');
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
INSERT INTO runs VALUES(1,'aa1',1,NULL,'manual','[]','{"context": "https://github.com/Team/Shop.git#main", "platform": "linux/amd64", "step": {"build_args": {}, "dockerfile": null, "images": ["registry.example.com/web:1"], "kind": "docker", "no_cache": false, "push": true, "target": null}, "timeout_s": 3600.0}','Queued',0.0,1,NULL,NULL,'[]',NULL,'2026-01-01T00:00:00.000Z',NULL,NULL);
CREATE TABLE inbox (
          id INTEGER PRIMARY KEY,
          source TEXT NOT NULL,
          received_at TEXT NOT NULL,
          payload BLOB NOT NULL
        );
INSERT INTO inbox VALUES(1,'registry','2026-01-01T00:00:00.000Z',X'7b226576656e7473223a205b5d7d');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX images_by_task ON images(task_id) WHERE task_id IS NOT NULL;
CREATE INDEX edges_by_base ON edges(base_id, followed, digest_id);
CREATE INDEX observations_by_due ON observations(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX observation_history_by_image ON observation_history(image_id, id);
CREATE INDEX runs_by_task ON runs(task_id, number);
CREATE INDEX runs_open ON runs(status) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX one_queued_run_a_task ON runs(task_id)
          WHERE status = 'Queued' AND task_id IS NOT NULL;
COMMIT;

