-- Of workflow ?1, newest first, before ?2, at most ?3.
SELECT workflow, version, name, description, document, created_at, deprecated, deprecated_at
FROM definitions
WHERE workflow = ?1 AND version < ?2
ORDER BY version DESC
LIMIT +?3;
