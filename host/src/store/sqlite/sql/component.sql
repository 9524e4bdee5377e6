SELECT data FROM components WHERE digest = ?1;
