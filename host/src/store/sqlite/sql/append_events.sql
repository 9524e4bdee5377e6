-- ?1: one JSON array per event, see `EventColumns`; ?2: all payloads, one after the other.
-- Ends the transaction: when this returns, it is on disk.
INSERT INTO journal (execution, seq, at, kind, node, item, codec, payload)
SELECT
    unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4,
    value ->> 5, value ->> 6, CAST(substr(?2, value ->> 7, value ->> 8) AS TEXT)
FROM jsonb_each(?1);

COMMIT;
