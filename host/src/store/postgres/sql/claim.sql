-- Executions without an owner that need one become those of host $1. $2: now, $3: at most.
WITH due AS (
    (
        SELECT id FROM executions
        WHERE owner IS NULL AND ended_at IS NULL AND NOT waiting
        ORDER BY id LIMIT $3
    )
    UNION
    (
        SELECT id FROM executions
        WHERE owner IS NULL AND wake_at IS NOT NULL AND wake_at <= $2
        ORDER BY wake_at, id LIMIT $3
    )
    UNION
    (
        SELECT signals.execution
        FROM signals JOIN executions ON executions.id = signals.execution
        WHERE signals.answer IS NULL AND executions.owner IS NULL
        LIMIT $3
    )
),
free AS (
    SELECT executions.id
    FROM executions
    WHERE executions.id IN (SELECT id FROM due)
        AND executions.owner IS NULL
        AND EXISTS (SELECT FROM hosts WHERE hosts.id = $1 AND NOT lapsed)
    ORDER BY executions.id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE executions SET owner = $1
FROM free
WHERE executions.id = free.id
RETURNING uuid_send(executions.id);
