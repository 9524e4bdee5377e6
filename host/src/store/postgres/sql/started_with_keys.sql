-- $1: positions, $2: ids, $3: workflows and $4: keys of refused starts.
-- Who has the key, per position; nobody where the execution itself is there already.
SELECT wanted.position, uuid_send(executions.id) AS id, executions.request
FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[])
    AS wanted (position, id, workflow, key)
JOIN executions
    ON executions.workflow = wanted.workflow AND executions.key = wanted.key
WHERE NOT EXISTS (SELECT FROM executions AS other WHERE other.id = wanted.id);
