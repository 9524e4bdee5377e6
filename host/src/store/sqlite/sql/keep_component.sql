-- ?1: digest, ?2: name, ?3: version, ?4: bytes. The same digest has the same bytes.
INSERT INTO components (digest, name, version, data) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO NOTHING;
