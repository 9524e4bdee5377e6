-- Who may decide at a checkpoint, and lists of checkpoints by workflow.

CREATE INDEX checkpoints_by_workflow ON checkpoints (workflow, created_at, id);
CREATE INDEX checkpoints_by_workflow_status ON checkpoints (workflow, status, created_at, id);

-- Pending checkpoints under each name or group that may decide, and under * where anybody may:
-- as small as what waits.
CREATE TABLE checkpoint_reviewers (
    reviewer   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    checkpoint BLOB    NOT NULL REFERENCES checkpoints (id) ON DELETE CASCADE,
    execution  BLOB    NOT NULL,
    workflow   TEXT    NOT NULL,
    -- Who may not decide, whatever group they are in: the starter of the execution.
    barred     TEXT,
    PRIMARY KEY (reviewer, created_at, checkpoint)
) STRICT;

CREATE INDEX checkpoint_reviewers_by_checkpoint ON checkpoint_reviewers (checkpoint);

INSERT INTO checkpoint_reviewers (reviewer, created_at, checkpoint, execution, workflow)
SELECT '*', created_at, id, execution, workflow
FROM checkpoints
WHERE status = 'pending';
