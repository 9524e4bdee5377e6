-- The answer $2 to command $1, if it has none yet.
WITH answered AS (
    UPDATE signals SET answer = $2 WHERE id = $1 AND answer IS NULL RETURNING id
)
SELECT pg_notify('phasewright', 'answered ' || id) FROM answered;
