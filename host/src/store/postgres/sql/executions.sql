-- Newest first, before the id $1, at most $2.
SELECT
    uuid_send(id) AS id, workflow, definition, version, status, created_at, started_at, ended_at,
    error
FROM executions
WHERE id < $1
ORDER BY executions.id DESC
LIMIT $2;
