-- Whoever owned something before the file was opened is gone.
UPDATE executions SET owner = NULL, crashes = crashes + 1 WHERE owner IS NOT NULL;
