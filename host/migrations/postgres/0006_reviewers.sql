-- Who may decide at a checkpoint, and lists of checkpoints by workflow.

CREATE INDEX checkpoints_by_workflow ON checkpoints (workflow, created_at, id);
CREATE INDEX checkpoints_by_workflow_status ON checkpoints (workflow, status, created_at, id);

-- Pending checkpoints under each name or group that may decide, and under * where anybody may:
-- as small as what waits.
CREATE TABLE checkpoint_reviewers (
    reviewer   text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    checkpoint uuid   NOT NULL,
    execution  uuid   NOT NULL,
    workflow   text   NOT NULL,
    -- Who may not decide, whatever group they are in: the starter of the execution.
    barred     text COLLATE "C",
    PRIMARY KEY (reviewer, created_at, checkpoint)
);

CREATE INDEX checkpoint_reviewers_by_checkpoint ON checkpoint_reviewers (checkpoint);
CREATE INDEX checkpoint_reviewers_by_execution ON checkpoint_reviewers (execution);

INSERT INTO checkpoint_reviewers (reviewer, created_at, checkpoint, execution, workflow)
SELECT '*', created_at, id, execution, workflow
FROM checkpoints
WHERE status = 'pending';
