-- ?1: now, ?2: at most. From an index of those that wait for a time.
SELECT id
FROM executions
WHERE wake_at <= ?1
ORDER BY wake_at, id
LIMIT ?2;
