-- ?1: one JSON array per append to an execution that exists, see `Advance`;
-- ?2: one per new execution, see `Create`.
-- Begins the transaction and gives the ids of the appends that are accepted.
BEGIN IMMEDIATE;

UPDATE executions
SET version    = next.row ->> 2,
    status     = next.row ->> 3,
    started_at = next.row ->> 4,
    ended_at   = next.row ->> 5,
    error      = next.row ->> 6,
    wake_at    = next.row ->> 7,
    waiting    = next.row ->> 8,
    owner      = next.row ->> 10,
    crashes    = next.row ->> 11,
    keep_days  = next.row ->> 12,
    definition = next.row ->> 13
FROM (
    SELECT unhex(value ->> 0) AS id, value ->> 1 AS expected, value AS row
    FROM jsonb_each(?1)
) AS next
WHERE executions.id = next.id
    AND executions.version = next.expected
    AND executions.owner IS next.row ->> 9
RETURNING id;

-- `WHERE true` tells the parser that ON belongs to INSERT, not to a join.
INSERT INTO executions (
    id, workflow, definition, version, status, created_at, started_at, ended_at,
    error, wake_at, waiting, key, request, owner, crashes, keep_days
)
SELECT
    unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4,
    value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9,
    value ->> 10, value ->> 11, unhex(value ->> 12), value ->> 13, value ->> 14,
    value ->> 15
FROM jsonb_each(?2)
WHERE true
ON CONFLICT DO NOTHING
RETURNING id;
