-- ?1: now, ?2: after this id, ?3: at most.
-- Both halves come from an index as small as the work there is; the planner, which
-- knows no sizes, would rather walk all executions in the order of their ids.
SELECT id FROM (
    SELECT id FROM (
        SELECT id
        FROM executions INDEXED BY executions_active
        WHERE ended_at IS NULL AND waiting = 0 AND id > ?2
        ORDER BY id
        LIMIT ?3
    )
    UNION ALL
    SELECT id
    FROM executions INDEXED BY executions_waking
    WHERE wake_at <= ?1 AND id > ?2
)
ORDER BY id
LIMIT ?3;
