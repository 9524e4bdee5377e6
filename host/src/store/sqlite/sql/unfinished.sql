-- ?1: after this id, ?2: at most. From an index as small as the work there is.
SELECT id
FROM executions
WHERE ended_at IS NULL AND waiting = 0 AND id > ?1
ORDER BY id
LIMIT ?2;
