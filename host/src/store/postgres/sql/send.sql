-- A command: $1 its id, $2 the execution, $3 codec, $4 what to do. Its owner is told.
WITH sent AS (
    INSERT INTO signals (id, execution, codec, command) VALUES ($1, $2, $3, $4)
)
SELECT pg_notify('phasewright', coalesce('signal ' || owner, 'work'))
FROM executions
WHERE id = $2;
