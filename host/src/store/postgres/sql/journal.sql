-- The summary of execution $1, who has it, and how often that went wrong.
SELECT
    uuid_send(id) AS id, workflow, definition, version, status, created_at, started_at, ended_at,
    error, uuid_send(owner) AS owner, crashes
FROM executions
WHERE id = $1;
