-- Newest first, before ($1, $2), at most $3.
SELECT
    uuid_send(id) AS id, uuid_send(execution) AS execution, workflow, node, status, created_at,
    closed_at, codec, payload
FROM checkpoints
WHERE workflow = $4 AND status = $5 AND (created_at, id) < ($1, $2)
ORDER BY checkpoints.created_at DESC, checkpoints.id DESC
LIMIT $3;
