-- ?1: digest, ?2: bytes, ?3: the execution that refers to it. The same digest has the same bytes.
INSERT INTO blobs (digest, data) VALUES (?1, ?2) ON CONFLICT DO NOTHING;

INSERT INTO blob_uses (digest, execution) VALUES (?1, ?3) ON CONFLICT DO NOTHING;
