-- Tables with their indexes, the largest first.
WITH counted (name, rows) AS (
    SELECT 'definitions', count(*) FROM definitions
    UNION ALL SELECT 'workflows', count(*) FROM workflows
    UNION ALL SELECT 'former_versions', count(*) FROM former_versions
    UNION ALL SELECT 'executions', count(*) FROM executions
    UNION ALL SELECT 'journal', count(*) FROM journal
    UNION ALL SELECT 'checkpoints', count(*) FROM checkpoints
    UNION ALL SELECT 'checkpoint_reviewers', count(*) FROM checkpoint_reviewers
    UNION ALL SELECT 'blobs', count(*) FROM blobs
    UNION ALL SELECT 'blob_uses', count(*) FROM blob_uses
    UNION ALL SELECT 'components', count(*) FROM components
)
SELECT counted.name, counted.rows, CAST(total(dbstat.pgsize) AS INTEGER) AS bytes
FROM counted
JOIN sqlite_schema ON sqlite_schema.tbl_name = counted.name
JOIN dbstat ON dbstat.name = sqlite_schema.name AND dbstat.aggregate = 1
GROUP BY counted.name, counted.rows
ORDER BY bytes DESC, counted.name;
