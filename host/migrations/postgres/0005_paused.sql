-- An execution can be paused.

ALTER TABLE executions DROP CONSTRAINT executions_status_check;
ALTER TABLE executions ADD CONSTRAINT executions_status_check CHECK (status IN (
    'pending', 'running', 'awaiting_checkpoint', 'paused',
    'completed', 'failed', 'cancelled', 'timed_out'
));
