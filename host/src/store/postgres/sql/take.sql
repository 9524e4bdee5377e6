-- Execution $2 becomes that of host $1, unless somebody has it.
UPDATE executions SET owner = $1
WHERE id = $2
    AND (owner IS NULL OR owner = $1)
    AND EXISTS (SELECT FROM hosts WHERE hosts.id = $1 AND NOT lapsed)
RETURNING true;
