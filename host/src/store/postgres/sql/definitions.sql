-- The latest version of each workflow after $1, at most $2.
SELECT
    latest.workflow, latest.version, latest.name, latest.description, latest.document,
    latest.created_at, latest.deprecated, latest.deprecated_at
FROM definitions AS first
JOIN definitions AS latest
    ON latest.workflow = first.workflow
    AND latest.version = (SELECT max(version) FROM definitions WHERE workflow = first.workflow)
WHERE first.version = 1 AND first.workflow > $1
ORDER BY first.workflow
LIMIT $2;
