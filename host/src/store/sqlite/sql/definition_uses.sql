-- Executions that go by version ?2 of workflow ?1 or did so once, of any version when none is
-- named; counted up to ?3.
SELECT count(*) FROM (
    SELECT id FROM executions
    WHERE workflow = ?1 AND (?2 IS NULL OR definition = ?2)
    UNION
    SELECT execution FROM former_versions
    WHERE workflow = ?1 AND (?2 IS NULL OR definition = ?2)
    LIMIT +?3
) AS uses;
