-- An execution can be paused.
--
-- SQLite cannot change a CHECK, and a table that others refer to cannot be made anew in a
-- transaction. So the text of the table is changed in place, as its documentation of ALTER
-- TABLE describes for constraints that only become wider: nothing that is stored changes.
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
SET sql = replace(sql, '''awaiting_checkpoint'',', '''awaiting_checkpoint'', ''paused'',')
WHERE type = 'table' AND name = 'executions';

-- Off again, and the schema read anew.
PRAGMA writable_schema = RESET;
