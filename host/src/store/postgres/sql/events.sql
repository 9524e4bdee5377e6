-- Of execution $1, after $2: at most $3, and none after those that have $4 bytes together.
SELECT seq, at, kind, node, item, codec, payload
FROM journal
WHERE execution = $1 AND seq > $2 AND seq <= (
    SELECT max(seq)
    FROM (
        SELECT seq, sum(bytes) OVER (ORDER BY seq) - bytes AS bytes_before
        FROM (
            SELECT seq, octet_length(payload) AS bytes
            FROM journal
            WHERE execution = $1 AND seq > $2
            ORDER BY seq
            LIMIT $3
        ) AS page
    ) AS measured
    WHERE bytes_before < $4
)
ORDER BY seq;
