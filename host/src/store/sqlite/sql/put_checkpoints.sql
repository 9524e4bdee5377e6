-- ?1: one JSON array per checkpoint, see `CheckpointColumns`; the last row of a checkpoint wins.
INSERT INTO checkpoints (
    id, execution, workflow, node, status, created_at, closed_at, codec, payload
)
SELECT
    unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4,
    value ->> 5, value ->> 6, value ->> 7, value ->> 8
FROM jsonb_each(?1)
WHERE true
ON CONFLICT (id) DO UPDATE SET
    status    = excluded.status,
    closed_at = excluded.closed_at,
    codec     = excluded.codec,
    payload   = excluded.payload;
