-- Newest first, before ($1, $2), at most $3. `READING` says why so.
SELECT
    uuid_send(id) AS id, uuid_send(execution) AS execution, workflow, node, status, created_at,
    closed_at, codec, payload
FROM (
    SELECT *
    FROM checkpoints
    WHERE (status, created_at, id) < ($4, $1, $2)
    ORDER BY status DESC, created_at DESC, id DESC
    LIMIT $3
) AS page
WHERE status = $4
ORDER BY page.created_at DESC, page.id DESC;
