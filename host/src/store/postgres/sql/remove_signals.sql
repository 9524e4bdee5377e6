-- Answers that nobody has come for, and commands for what is not there any more.
DELETE FROM signals
WHERE created_at < clock_timestamp() - interval '1 hour'
    AND (answer IS NOT NULL OR execution NOT IN (SELECT id FROM executions));
