-- Those of the blobs $1 that nobody refers to.
DELETE FROM blobs
WHERE digest = ANY ($1)
    AND NOT EXISTS (SELECT FROM blob_uses WHERE blob_uses.digest = blobs.digest);
