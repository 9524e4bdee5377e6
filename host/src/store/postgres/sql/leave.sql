-- Host $1 lets go of everything, and tells the others.
WITH freed AS (
    UPDATE executions SET owner = NULL WHERE owner = $1 RETURNING id
),
gone AS (
    DELETE FROM hosts WHERE id = $1
)
SELECT pg_notify('phasewright', 'work') WHERE EXISTS (SELECT FROM freed);
