-- Executions without an owner that need one become those of host ?1. ?2: now, ?3: at most.
UPDATE executions SET owner = ?1
WHERE id IN (
    SELECT id FROM (
        SELECT id FROM executions
        WHERE owner IS NULL AND ended_at IS NULL AND waiting = 0
        ORDER BY id LIMIT +?3
    )
    UNION
    SELECT id FROM (
        SELECT id FROM executions
        WHERE owner IS NULL AND wake_at IS NOT NULL AND wake_at <= ?2
        ORDER BY wake_at, id LIMIT +?3
    )
    LIMIT +?3
)
RETURNING id;
