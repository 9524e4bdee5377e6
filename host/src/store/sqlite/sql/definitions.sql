-- The latest version of each workflow after ?1, at most ?2.
SELECT
    latest.workflow, latest.version, latest.name, latest.description, latest.document,
    latest.created_at, latest.deprecated, latest.deprecated_at
FROM workflows
JOIN definitions AS latest
    ON latest.workflow = workflows.id
    AND latest.version = (SELECT max(version) FROM definitions WHERE workflow = workflows.id)
WHERE workflows.id > ?1
ORDER BY workflows.id
LIMIT +?2;
