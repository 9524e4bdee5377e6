SELECT id, execution, workflow, node, status, created_at, closed_at, codec, payload
FROM checkpoints
WHERE id = ?1;
