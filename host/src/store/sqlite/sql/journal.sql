-- The summary of execution ?1, who has it, and how often that went wrong.
SELECT
    id, workflow, definition, version, status, created_at, started_at, ended_at, error,
    unhex(owner) AS owner, crashes
FROM executions
WHERE id = ?1;
