-- Of execution ?1, after ?2, at most ?3.
SELECT seq, at, kind, node, item, codec, payload
FROM journal
WHERE execution = ?1 AND seq > ?2
ORDER BY seq
LIMIT +?3;
