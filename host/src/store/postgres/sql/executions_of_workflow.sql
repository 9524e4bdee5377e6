-- Newest first, before the id $1, at most $2. `READING` says why so.
SELECT
    uuid_send(id) AS id, workflow, definition, version, status, created_at, started_at, ended_at,
    error
FROM (
    SELECT *
    FROM executions
    WHERE (workflow, id) < ($3, $1)
    ORDER BY workflow DESC, id DESC
    LIMIT $2
) AS page
WHERE workflow = $3
ORDER BY page.id DESC;
