-- Until the transaction ends, nobody else stores a version of workflow $1.
SELECT pg_advisory_xact_lock(hashtextextended('phasewright/' || $1, 0));
