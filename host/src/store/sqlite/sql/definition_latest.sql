SELECT workflow, version, name, description, document, created_at, deprecated, deprecated_at
FROM definitions
WHERE workflow = ?1
ORDER BY version DESC
LIMIT 1;
