-- Lapsed hosts that own nothing any more are forgotten, when nothing that they sent
-- before can be on its way any more.
DELETE FROM hosts
WHERE lapsed AND lease_until < clock_timestamp() - interval '1 minute' AND NOT EXISTS (SELECT FROM executions WHERE owner = hosts.id);
