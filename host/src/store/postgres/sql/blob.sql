SELECT data FROM blobs WHERE digest = $1;
