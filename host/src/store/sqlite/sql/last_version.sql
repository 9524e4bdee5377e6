-- The highest version that workflow ?1 ever had.
SELECT last_version FROM workflows WHERE id = ?1;
