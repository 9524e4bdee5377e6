-- $1: workflows, $2: versions. Of a workflow without a version the latest that is not deprecated,
-- else the latest; what does not exist is left out.
SELECT asked.position, found.version, found.deprecated
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS asked (workflow, version, position)
JOIN definitions AS found
    ON found.workflow = asked.workflow
    AND found.version = coalesce(
        asked.version,
        (SELECT max(version) FROM definitions
         WHERE workflow = asked.workflow AND deprecated IS NULL),
        (SELECT max(version) FROM definitions WHERE workflow = asked.workflow)
    );
