-- What may be removed, and when.

-- Which executions refer to a blob: it goes with the last of them.
CREATE TABLE blob_uses (
    digest    bytea NOT NULL CHECK (length(digest) = 32),
    execution uuid  NOT NULL,
    PRIMARY KEY (digest, execution)
);

CREATE INDEX blob_uses_by_execution ON blob_uses (execution);

INSERT INTO blob_uses (digest, execution)
SELECT DISTINCT decode(artifact ->> 'digest', 'hex'), journal.execution
FROM journal, json_array_elements(journal.payload::json -> 'artifacts') AS artifact
WHERE journal.kind = 'node_succeeded';

-- Days to keep an execution after its end; none: as long as the operator says.
ALTER TABLE executions ADD COLUMN keep_days bigint CHECK (keep_days >= 0);

CREATE INDEX executions_ended ON executions (ended_at)
    WHERE ended_at IS NOT NULL AND keep_days IS NULL;
CREATE INDEX executions_kept ON executions ((ended_at + keep_days * 86400000))
    WHERE ended_at IS NOT NULL AND keep_days IS NOT NULL;
