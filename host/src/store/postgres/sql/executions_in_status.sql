-- Newest first, before the id $1, at most $2. `READING` says why so.
SELECT
    uuid_send(id) AS id, workflow, definition, version, status, created_at, started_at, ended_at,
    error
FROM (
    SELECT *
    FROM executions
    WHERE (status, id) < ($3, $1)
    ORDER BY status DESC, id DESC
    LIMIT $2
) AS page
WHERE status = $3
ORDER BY page.id DESC;
