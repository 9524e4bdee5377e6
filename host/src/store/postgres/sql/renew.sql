-- Renews the lease of host $1 by $2 milliseconds, unless it has lapsed.
-- Gives the number of other hosts with a lease, and whether any has lapsed.
WITH mine AS (
    UPDATE hosts SET lease_until = clock_timestamp() + $2 * interval '1 millisecond'
    WHERE id = $1 AND NOT lapsed AND lease_until >= clock_timestamp()
    RETURNING id
)
SELECT
    count(*) FILTER (WHERE NOT lapsed AND lease_until >= clock_timestamp()),
    count(*) FILTER (WHERE lapsed OR lease_until < clock_timestamp()) > 0
FROM mine LEFT JOIN hosts ON hosts.id <> mine.id
HAVING (SELECT count(*) FROM mine) = 1;
