-- Tells all hosts $1. Nothing is written that would have to reach the disk, so this waits for
-- no disk, and keeps nobody who notifies as well waiting for one.
SELECT set_config('synchronous_commit', 'off', true), pg_notify('phasewright', $1);
