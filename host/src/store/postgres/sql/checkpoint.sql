SELECT
    uuid_send(id) AS id, uuid_send(execution) AS execution, workflow, node, status, created_at,
    closed_at, codec, payload
FROM checkpoints
WHERE id = $1;
