-- ?1: JSON arrays [position, workflow, key] of refused starts.
-- Who has the key, per position.
SELECT wanted.value ->> 0 AS position, executions.id, executions.request
FROM json_each(?1) AS wanted
JOIN executions
    ON executions.workflow = wanted.value ->> 1
    AND executions.key = wanted.value ->> 2;
