-- Definitions, executions with their journals, the inbox of checkpoints, blobs.
--
-- Ids are 16 bytes, digests 32, times milliseconds since the Unix epoch. What the
-- types of the host promise is repeated in CHECK constraints. Kinds of events are not
-- listed: the codec refuses an unknown one, and SQLite cannot change a CHECK later.

-- Marks the file as phasewright's ("phsw"), so that no other program's is taken over.
PRAGMA application_id = 1885893495;

CREATE TABLE definitions (
    workflow    TEXT    NOT NULL CHECK (length(workflow) BETWEEN 1 AND 64),
    version     INTEGER NOT NULL CHECK (version >= 1),
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    document    TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (workflow, version)
) STRICT;

-- One entry per workflow: lists and counts workflows without touching every version.
CREATE INDEX definitions_first ON definitions (workflow) WHERE version = 1;

CREATE TABLE executions (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    workflow   TEXT    NOT NULL,
    definition INTEGER NOT NULL,
    version    INTEGER NOT NULL CHECK (version >= 1),
    status     TEXT    NOT NULL CHECK (status IN (
        'pending', 'running', 'awaiting_checkpoint',
        'completed', 'failed', 'cancelled', 'timed_out'
    )),
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at   INTEGER,
    error      TEXT,
    wake_at    INTEGER,
    waiting    INTEGER NOT NULL CHECK (waiting IN (0, 1)),
    -- The host that runs it, on databases that several hosts share.
    owner      TEXT,
    -- Idempotency key of the start, and the digest of its request.
    key        TEXT,
    request    BLOB    CHECK (length(request) = 32),
    FOREIGN KEY (workflow, definition) REFERENCES definitions (workflow, version),
    CHECK ((status IN ('completed', 'failed', 'cancelled', 'timed_out')) = (ended_at IS NOT NULL)),
    CHECK (error IS NULL OR ended_at IS NOT NULL),
    CHECK (wake_at IS NULL OR (waiting = 1 AND ended_at IS NULL)),
    CHECK ((key IS NULL) = (request IS NULL))
) STRICT, WITHOUT ROWID;

-- Lists, newest first: ids are UUIDv7, so their order is the order of creation.
CREATE INDEX executions_by_workflow ON executions (workflow, id);
CREATE INDEX executions_by_status ON executions (status, id);
CREATE INDEX executions_by_workflow_status ON executions (workflow, status, id);
CREATE UNIQUE INDEX executions_by_key ON executions (workflow, key) WHERE key IS NOT NULL;
-- What needs a host: now, and later. Both stay as small as the work there is.
CREATE INDEX executions_active ON executions (id) WHERE ended_at IS NULL AND waiting = 0;
CREATE INDEX executions_waking ON executions (wake_at, id) WHERE wake_at IS NOT NULL;

-- With a rowid: events of all executions are appended at one end of the table and only
-- the narrow key goes to its place, and a payload of some kilobytes needs no overflow page.
CREATE TABLE journal (
    execution BLOB    NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL CHECK (seq >= 1),
    at        INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    node      TEXT    CHECK (length(node) BETWEEN 1 AND 64),
    item      INTEGER CHECK (item IS NULL OR (item >= 0 AND node IS NOT NULL)),
    -- How `payload` is to be read.
    codec     INTEGER NOT NULL CHECK (codec >= 1),
    payload   TEXT    NOT NULL,
    PRIMARY KEY (execution, seq)
) STRICT;

CREATE TABLE checkpoints (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    execution  BLOB    NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    workflow   TEXT    NOT NULL,
    node       TEXT    NOT NULL CHECK (length(node) BETWEEN 1 AND 64),
    status     TEXT    NOT NULL CHECK (status IN (
        'pending', 'approved', 'edited', 'rejected', 'expired', 'cancelled'
    )),
    created_at INTEGER NOT NULL,
    closed_at  INTEGER,
    codec      INTEGER NOT NULL CHECK (codec >= 1),
    payload    TEXT    NOT NULL,
    CHECK ((status = 'pending') = (closed_at IS NULL))
) STRICT;

CREATE INDEX checkpoints_by_time ON checkpoints (created_at, id);
CREATE INDEX checkpoints_by_status ON checkpoints (status, created_at, id);
CREATE INDEX checkpoints_by_execution ON checkpoints (execution, created_at, id);

CREATE TABLE blobs (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    data   BLOB NOT NULL
) STRICT;
