-- Host $1 lets go of execution $2.
UPDATE executions SET owner = NULL WHERE id = $2 AND owner = $1;
