-- ?1: now; ?2: ended before this, for those that say nothing themselves; ?3: at most.
SELECT lower(hex(id)) FROM (
    SELECT id FROM executions
    WHERE ended_at IS NOT NULL AND keep_days IS NULL AND ended_at < ?2
    LIMIT +?3
)
UNION ALL
SELECT lower(hex(id)) FROM (
    SELECT id FROM executions
    WHERE ended_at IS NOT NULL AND keep_days IS NOT NULL
        AND ended_at + keep_days * 86400000 < ?1
    LIMIT +?3
)
LIMIT +?3;
