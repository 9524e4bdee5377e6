-- Those of the digests $1 of which there is no component.
SELECT digest FROM unnest($1::bytea[]) AS digest
WHERE NOT EXISTS (SELECT FROM components WHERE components.digest = digest.digest);
