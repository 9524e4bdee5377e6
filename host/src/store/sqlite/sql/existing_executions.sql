-- ?1: JSON array of ids in hexadecimal. Those that exist.
SELECT id FROM executions WHERE id IN (SELECT unhex(value) FROM json_each(?1));
