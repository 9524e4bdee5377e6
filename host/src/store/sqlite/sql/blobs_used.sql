-- ?1: JSON array of executions. The blobs that they refer to.
SELECT DISTINCT lower(hex(digest)) FROM blob_uses
WHERE execution IN (SELECT unhex(value) FROM json_each(?1));
