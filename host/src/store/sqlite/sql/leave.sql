-- Host ?1 lets go of everything.
UPDATE executions SET owner = NULL WHERE owner = ?1;
