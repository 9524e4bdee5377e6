-- Definitions, executions with their journals, the inbox of checkpoints, blobs.
--
-- Digests are 32 bytes, times milliseconds since the Unix epoch. What the types of the
-- host promise is repeated in CHECK constraints. Kinds of events are not listed: the
-- codec refuses an unknown one. Names sort by their bytes, whatever the locale.

CREATE TABLE definitions (
    workflow    text COLLATE "C" NOT NULL CHECK (length(workflow) BETWEEN 1 AND 64),
    version     bigint NOT NULL CHECK (version >= 1),
    name        text   NOT NULL,
    description text   NOT NULL,
    document    text   NOT NULL,
    created_at  bigint NOT NULL,
    PRIMARY KEY (workflow, version)
);

-- One entry per workflow: lists and counts workflows without touching every version.
CREATE INDEX definitions_first ON definitions (workflow) WHERE version = 1;

CREATE TABLE executions (
    id         uuid   NOT NULL PRIMARY KEY,
    workflow   text COLLATE "C" NOT NULL,
    definition bigint NOT NULL,
    version    bigint NOT NULL CHECK (version >= 1),
    status     text COLLATE "C" NOT NULL CHECK (status IN (
        'pending', 'running', 'awaiting_checkpoint',
        'completed', 'failed', 'cancelled', 'timed_out'
    )),
    created_at bigint NOT NULL,
    started_at bigint,
    ended_at   bigint,
    error      text,
    wake_at    bigint,
    waiting    boolean NOT NULL,
    -- The host that runs it.
    owner      uuid,
    -- Idempotency key of the start, and the digest of its request.
    key        text COLLATE "C",
    request    bytea  CHECK (length(request) = 32),
    FOREIGN KEY (workflow, definition) REFERENCES definitions (workflow, version),
    CHECK ((status IN ('completed', 'failed', 'cancelled', 'timed_out')) = (ended_at IS NOT NULL)),
    CHECK (error IS NULL OR ended_at IS NOT NULL),
    CHECK (wake_at IS NULL OR (waiting AND ended_at IS NULL)),
    CHECK ((key IS NULL) = (request IS NULL))
)
-- Rows change a few times and are then left alone: room for the next state in the same page.
WITH (fillfactor = 80);

-- Lists, newest first: ids are UUIDv7, so their order is the order of creation.
CREATE INDEX executions_by_workflow ON executions (workflow, id);
CREATE INDEX executions_by_status ON executions (status, id);
CREATE INDEX executions_by_workflow_status ON executions (workflow, status, id);
CREATE UNIQUE INDEX executions_by_key ON executions (workflow, key) WHERE key IS NOT NULL;

-- Without foreign keys to executions, here and below: rows are written in the statement
-- that compares and sets the execution, and removed with it; a check of each costs a
-- tenth of a commit and could only find a defect in that statement.
CREATE TABLE journal (
    execution uuid   NOT NULL,
    seq       bigint NOT NULL CHECK (seq >= 1),
    at        bigint NOT NULL,
    kind      text   NOT NULL,
    node      text   CHECK (length(node) BETWEEN 1 AND 64),
    item      bigint CHECK (item IS NULL OR (item >= 0 AND node IS NOT NULL)),
    -- How `payload` is to be read.
    codec     bigint NOT NULL CHECK (codec >= 1),
    payload   text   NOT NULL,
    PRIMARY KEY (execution, seq)
);

CREATE TABLE checkpoints (
    id         uuid   NOT NULL PRIMARY KEY,
    execution  uuid   NOT NULL,
    workflow   text   NOT NULL,
    node       text   NOT NULL CHECK (length(node) BETWEEN 1 AND 64),
    status     text COLLATE "C" NOT NULL CHECK (status IN (
        'pending', 'approved', 'edited', 'rejected', 'expired', 'cancelled'
    )),
    created_at bigint NOT NULL,
    closed_at  bigint,
    codec      bigint NOT NULL CHECK (codec >= 1),
    payload    text   NOT NULL,
    CHECK ((status = 'pending') = (closed_at IS NULL))
);

CREATE INDEX checkpoints_by_time ON checkpoints (created_at, id);
CREATE INDEX checkpoints_by_status ON checkpoints (status, created_at, id);
CREATE INDEX checkpoints_by_execution ON checkpoints (execution, created_at, id);

CREATE TABLE blobs (
    digest bytea NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    data   bytea NOT NULL
);
