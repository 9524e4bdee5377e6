-- Newest first, before (?1, ?2), at most ?3.
SELECT id, execution, workflow, node, status, created_at, closed_at, codec, payload
FROM checkpoints
WHERE execution = ?4
    AND (?5 IS NULL OR status = ?5)
    AND (?6 IS NULL OR workflow = ?6)
    AND (created_at, id) < (?1, ?2)
ORDER BY created_at DESC, id DESC
LIMIT +?3;
