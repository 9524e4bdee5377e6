-- Pending ones that somebody may decide, newest first, before (?1, ?2), at most ?3.
-- ?4: as which reviewers they count, a JSON array; ?5: their name; ?6 and ?7: of this execution
-- and workflow only, unless null. Of each reviewer no more rows are read than can be wanted.
WITH found AS MATERIALIZED (
    SELECT DISTINCT entry.created_at, entry.checkpoint
    FROM json_each(?4) AS reviewer
    CROSS JOIN checkpoint_reviewers AS entry ON entry.rowid IN (
        SELECT awaited.rowid
        FROM checkpoint_reviewers AS awaited
        WHERE awaited.reviewer = reviewer.value
            AND (awaited.barred IS NULL OR awaited.barred <> ?5)
            AND (?6 IS NULL OR awaited.execution = ?6)
            AND (?7 IS NULL OR awaited.workflow = ?7)
            AND (awaited.created_at, awaited.checkpoint) < (?1, ?2)
        ORDER BY awaited.created_at DESC, awaited.checkpoint DESC
        LIMIT +?3
    )
    ORDER BY entry.created_at DESC, entry.checkpoint DESC
    LIMIT +?3
)
SELECT
    id, checkpoints.execution, checkpoints.workflow, node, status, checkpoints.created_at,
    closed_at, codec, payload
FROM found
CROSS JOIN checkpoints ON checkpoints.id = found.checkpoint
ORDER BY found.created_at DESC, found.checkpoint DESC;
