-- ?1: digest, ?2: bytes. The same digest has the same bytes.
INSERT INTO blobs (digest, data) VALUES (?1, ?2) ON CONFLICT DO NOTHING;
