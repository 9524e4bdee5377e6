-- What lapsed hosts own is anybody's, and each of it counts a crash. $1: at most.
WITH lost AS (
    SELECT id FROM executions
    WHERE owner IN (SELECT id FROM hosts WHERE lapsed)
    ORDER BY id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE executions SET owner = NULL, crashes = crashes + 1
FROM lost
WHERE executions.id = lost.id;
