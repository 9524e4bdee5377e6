-- Version $2 of workflow $1, all versions when none is named.
DELETE FROM definitions
WHERE workflow = $1 AND ($2::bigint IS NULL OR version = $2);
