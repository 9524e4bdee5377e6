-- Removes executions whose time is over. $1: now; $2: ended before this, for those that say
-- nothing themselves; $3: at most. Gives their number, and the blobs that they referred to.
WITH due AS (
    (
        SELECT id FROM executions
        WHERE ended_at IS NOT NULL AND keep_days IS NULL AND ended_at < $2
        ORDER BY ended_at LIMIT $3
    )
    UNION ALL
    (
        SELECT id FROM executions
        WHERE ended_at IS NOT NULL AND keep_days IS NOT NULL
            AND ended_at + keep_days * 86400000 < $1
        ORDER BY ended_at + keep_days * 86400000 LIMIT $3
    )
),
gone AS (
    SELECT id FROM executions
    WHERE id IN (SELECT id FROM due) AND ended_at IS NOT NULL
    LIMIT $3
    FOR UPDATE SKIP LOCKED
),
events AS (
    DELETE FROM journal WHERE execution IN (SELECT id FROM gone)
),
inbox AS (
    DELETE FROM checkpoints WHERE execution IN (SELECT id FROM gone)
),
reviewers AS (
    DELETE FROM checkpoint_reviewers WHERE execution IN (SELECT id FROM gone)
),
commands AS (
    DELETE FROM signals WHERE execution IN (SELECT id FROM gone)
),
former AS (
    DELETE FROM former_versions WHERE execution IN (SELECT id FROM gone)
),
uses AS (
    DELETE FROM blob_uses WHERE execution IN (SELECT id FROM gone) RETURNING digest
),
removed AS (
    DELETE FROM executions WHERE id IN (SELECT id FROM gone) RETURNING id
)
SELECT (SELECT count(*) FROM removed), ARRAY(SELECT DISTINCT digest FROM uses);
