-- Newest first, before (?1, ?2), at most ?3.
SELECT id, execution, workflow, node, status, created_at, closed_at, codec, payload
FROM checkpoints
WHERE status = ?4 AND (created_at, id) < (?1, ?2)
ORDER BY created_at DESC, id DESC
LIMIT +?3;
