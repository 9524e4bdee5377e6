-- ?1: JSON array of digests. Those that nobody refers to.
DELETE FROM blobs
WHERE digest IN (SELECT unhex(value) FROM json_each(?1))
    AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob_uses.digest = blobs.digest);
