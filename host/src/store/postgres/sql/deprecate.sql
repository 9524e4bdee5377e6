-- Version $2 of workflow $1 is deprecated since $4 because of $3, or no more when these are none.
UPDATE definitions SET deprecated = $3, deprecated_at = $4
WHERE workflow = $1 AND version = $2
RETURNING workflow, version, name, description, document, created_at, deprecated, deprecated_at;
