-- ?1: one JSON array per pending checkpoint: id, execution, workflow, created_at, barred,
-- reviewers.
INSERT INTO checkpoint_reviewers (
    reviewer, created_at, checkpoint, execution, workflow, barred
)
SELECT
    reviewer.value, awaited.value ->> 3, unhex(awaited.value ->> 0), unhex(awaited.value ->> 1),
    awaited.value ->> 2, awaited.value ->> 4
FROM json_each(?1) AS awaited, json_each(awaited.value, '$[5]') AS reviewer
WHERE true
ON CONFLICT DO NOTHING;
