-- Of execution $1, up to $2.
SELECT seq, at, kind, node, item, codec, payload
FROM journal
WHERE execution = $1 AND seq <= $2
ORDER BY seq;
