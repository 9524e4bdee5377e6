-- Which host runs an execution, which hosts there are, and what they tell each other.

-- One life of a host: a process, or the time between two lapses of its lease.
CREATE TABLE hosts (
    id          uuid        NOT NULL PRIMARY KEY,
    -- For people.
    name        text        NOT NULL,
    -- The application_name of all connections of its process: when nobody has it any
    -- more, the process is gone or cut off.
    application text        NOT NULL,
    started_at  timestamptz NOT NULL,
    -- By this database's clock. A lease that has lapsed is never renewed.
    lease_until timestamptz NOT NULL,
    lapsed      boolean     NOT NULL DEFAULT false
);

-- How often a host ended, without letting go, while it ran this and nothing came of it.
ALTER TABLE executions ADD COLUMN crashes bigint NOT NULL DEFAULT 0 CHECK (crashes >= 0);

CREATE INDEX executions_owned ON executions (owner) WHERE owner IS NOT NULL;
-- What needs a host and has none: now, and later.
CREATE INDEX executions_adrift ON executions (id)
    WHERE owner IS NULL AND ended_at IS NULL AND NOT waiting;
CREATE INDEX executions_waking ON executions (wake_at, id)
    WHERE owner IS NULL AND wake_at IS NOT NULL;

-- Commands for executions that another host owns. The answer is written in the
-- transaction of the events that the command causes.
CREATE TABLE signals (
    id         uuid   NOT NULL PRIMARY KEY,
    execution  uuid   NOT NULL,
    codec      bigint NOT NULL CHECK (codec >= 1),
    command    text   NOT NULL,
    answer     text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX signals_open ON signals (execution) WHERE answer IS NULL;
CREATE INDEX signals_by_age ON signals (created_at);
