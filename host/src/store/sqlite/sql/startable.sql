-- ?1: JSON arrays [position, workflow, version]. Of a workflow without a version the latest that is
-- not deprecated, else the latest; what does not exist is left out.
SELECT asked.position, found.version, found.deprecated
FROM (
    SELECT value ->> 0 AS position, value ->> 1 AS workflow, value ->> 2 AS version
    FROM json_each(?1)
) AS asked
JOIN definitions AS found
    ON found.workflow = asked.workflow
    AND found.version = coalesce(
        asked.version,
        (SELECT max(version) FROM definitions
         WHERE workflow = asked.workflow AND deprecated IS NULL),
        (SELECT max(version) FROM definitions WHERE workflow = asked.workflow)
    );
