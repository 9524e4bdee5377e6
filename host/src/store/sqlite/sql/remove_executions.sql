-- ?1: JSON array of executions. Their journals and checkpoints go with them.
DELETE FROM executions WHERE id IN (SELECT unhex(value) FROM json_each(?1));
