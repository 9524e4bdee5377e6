-- Whoever comes to refer to one of the blobs $1 waits; who has done so is seen from here on.
SELECT digest FROM blobs WHERE digest = ANY ($1) ORDER BY digest FOR UPDATE;
