-- Of execution $1, after $2, up to $3, at most $4.
SELECT seq, at, kind, node, item, codec, payload
FROM journal
WHERE execution = $1 AND seq > $2 AND seq <= $3
ORDER BY seq
LIMIT $4;
