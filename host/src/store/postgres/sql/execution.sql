SELECT
    uuid_send(id) AS id, workflow, definition, version, status, created_at, started_at, ended_at,
    error
FROM executions
WHERE id = $1;
