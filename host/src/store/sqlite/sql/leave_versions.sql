-- ?1: one JSON array [execution, workflow, version] per version that an execution goes by no more.
INSERT INTO former_versions (execution, workflow, definition)
SELECT unhex(value ->> 0), value ->> 1, value ->> 2
FROM jsonb_each(?1)
WHERE true
ON CONFLICT DO NOTHING;
