-- Which host runs an execution, and how often one ended while it did.
--
-- `owner` is the id of one life of a host. A SQLite file has one host at a time, so an
-- owner that is not the host which opened the file is gone.
ALTER TABLE executions ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0);

CREATE INDEX executions_owned ON executions (owner) WHERE owner IS NOT NULL;
-- What needs a host and has none: now, and later.
DROP INDEX executions_active;
DROP INDEX executions_waking;
CREATE INDEX executions_adrift ON executions (id)
    WHERE owner IS NULL AND ended_at IS NULL AND waiting = 0;
CREATE INDEX executions_waking ON executions (wake_at, id)
    WHERE owner IS NULL AND wake_at IS NOT NULL;
