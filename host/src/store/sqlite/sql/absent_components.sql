-- ?1: JSON array of digests. Those of which there is no component.
SELECT value FROM json_each(?1)
WHERE NOT EXISTS (SELECT 1 FROM components WHERE components.digest = unhex(value));
