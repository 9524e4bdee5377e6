-- Newest first, before the id $1 and from $3 on, at most $2.
-- Of version $4 if given, created from $5 to before $6.
SELECT
    uuid_send(id) AS id, workflow, definition, version, status, created_at, started_at, ended_at,
    error
FROM executions
WHERE workflow = $7 AND id < $1 AND id >= $3
    AND ($4::bigint IS NULL OR definition = $4)
    AND created_at >= $5 AND created_at < $6
ORDER BY executions.id DESC
LIMIT $2;
