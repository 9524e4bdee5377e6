-- Hosts that have not renewed their lease in time.
UPDATE hosts SET lapsed = true WHERE NOT lapsed AND lease_until < clock_timestamp();
