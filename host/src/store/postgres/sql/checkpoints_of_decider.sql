-- Pending ones that somebody may decide, newest first, before ($1, $2), at most $3.
-- $4: as which reviewers they count; $5: their name; $6 and $7: of this execution and workflow
-- only, unless null. Of each reviewer no more rows are read than can be wanted.
WITH found AS MATERIALIZED (
    SELECT DISTINCT entry.created_at, entry.checkpoint
    FROM unnest($4::text[]) AS one (reviewer)
    CROSS JOIN LATERAL (
        SELECT created_at, checkpoint
        FROM checkpoint_reviewers
        WHERE reviewer = one.reviewer
            AND (barred IS NULL OR barred <> $5)
            AND ($6::uuid IS NULL OR execution = $6)
            AND ($7::text IS NULL OR workflow = $7)
            AND (created_at, checkpoint) < ($1, $2)
        ORDER BY created_at DESC, checkpoint DESC
        LIMIT $3
    ) AS entry
    ORDER BY entry.created_at DESC, entry.checkpoint DESC
    LIMIT $3
)
SELECT
    uuid_send(id) AS id, uuid_send(execution) AS execution, workflow, node, status,
    checkpoints.created_at, closed_at, codec, payload
FROM found JOIN checkpoints ON checkpoints.id = found.checkpoint
ORDER BY found.created_at DESC, found.checkpoint DESC;
