-- The tables $1, the largest first.
SELECT
    relname::text AS name,
    greatest(reltuples, 0)::bigint AS rows,
    pg_total_relation_size(oid) AS bytes
FROM pg_class
WHERE oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
ORDER BY bytes DESC, name;
