-- Of workflow ?1; null when there is none.
SELECT max(version) FROM definitions WHERE workflow = ?1;
