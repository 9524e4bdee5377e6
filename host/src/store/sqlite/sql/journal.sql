-- The summary of execution ?1, who has it, and how often that went wrong; then its events.
SELECT
    id, workflow, definition, version, status, created_at, started_at, ended_at, error,
    unhex(owner) AS owner, crashes
FROM executions
WHERE id = ?1;

SELECT seq, at, kind, node, item, codec, payload
FROM journal
WHERE execution = ?1
ORDER BY seq;
