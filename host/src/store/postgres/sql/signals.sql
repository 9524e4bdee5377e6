-- Commands for what host $1 owns, oldest first, at most $2.
SELECT uuid_send(signals.id) AS id, uuid_send(signals.execution) AS execution, signals.codec,
    signals.command
FROM signals JOIN executions ON executions.id = signals.execution
WHERE signals.answer IS NULL AND executions.owner = $1
ORDER BY signals.created_at, signals.id
LIMIT $2;
