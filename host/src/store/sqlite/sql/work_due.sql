-- Is there something to claim? ?1: now.
SELECT
    EXISTS (
        SELECT 1 FROM executions WHERE owner IS NULL AND ended_at IS NULL AND waiting = 0
    )
    OR EXISTS (
        SELECT 1 FROM executions
        WHERE owner IS NULL AND wake_at IS NOT NULL AND wake_at <= ?1
    );
